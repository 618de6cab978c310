r"""Hints for the agent of a running call: pure, fed with the session's events, no socket, thread or clock.

    events -> Ear (words) -> Checklist ----------\
          \-> findings, moods, risks -> HintDesk -> at most one hint at a time
               Pauses, Asking, Reminders --------/

`assistant.LiveAssist` is the one door in; texts, cool-downs and thresholds are data (`hints.yaml`).
"""
