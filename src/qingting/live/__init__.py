r"""Inspection while people speak: the same gates, recogniser and analyzers as afterwards, fed as sound arrives.

    sound -> LiveGate -> PartyStream -> OrderedAnalysis -> findings       (one per call: `session.LiveSession`)
                              \-> RiskWatch -> warnings within the sentence

Nothing here knows sockets; `doors/` bring sound in, `wall` and the doors carry events out.
"""
