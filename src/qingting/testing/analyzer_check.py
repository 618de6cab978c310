"""The contract of an analyzer, as a check that plug-in authors run on theirs."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator, Sequence

from qingting.analysis.analyzer import Analyzer
from qingting.analysis.runner import Inspection
from qingting.model.call import CallInfo
from qingting.model.finding import Finding
from qingting.model.transcript import Transcript
from qingting.testing.edge_calls import edge_calls
from qingting.testing.finding_check import CHINESE, check_finding, expect
from qingting.testing.made_up_voice import with_made_up_voice
from qingting.testing.replay import CallReplay, findings_of
from qingting.testing.samples import sample_calls
from qingting.testing.witness import Witness, witness_of

_ID = re.compile(r"[a-z][a-z0-9_]*")
_TICK_SEEDS = (1, 2, 3)
_Case = tuple[str, CallInfo, Transcript]


def check_analyzer(
    analyzer: Analyzer, *, also: Sequence[tuple[CallInfo, Transcript]] = (), beside: Sequence[Analyzer] = ()
) -> None:
    """Assert that an analyzer keeps its contract on all sample calls and on calls at the edges.

    Checked: what it declares; no exception on any call; exact quotes and times inside the
    call; nothing decided before it was heard; the same findings again, live with random
    ticks, and with all calls running at once; nothing given to it is changed. `also` adds
    the author's own calls, `beside` the analyzers whose signals it listens to.
    Raises AssertionError with the call's name and what was broken.
    """
    check_declaration(analyzer)
    before = repr(analyzer.options)
    cases = list(_cases(also))
    witness = witness_of(analyzer)
    inspection = Inspection([witness, *beside])
    afterwards = {case[0]: _checked_afterwards(witness, inspection, case) for case in cases}
    for name, call, transcript in cases:
        for seed in _TICK_SEEDS:
            replay = CallReplay(call, transcript, inspection, seed=seed)
            _same(name, f"live replay (seed {seed})", replay.run(), afterwards[name])
    _check_at_once(inspection, cases, afterwards)
    expect(repr(analyzer.options) == before, analyzer.id, "the analyzer changed its options while it worked")


def check_declaration(analyzer: Analyzer) -> None:
    """Assert that what an analyzer declares about itself is complete and stable."""
    kind = type(analyzer).__name__
    for name in ("id", "name", "description", "version"):
        value = getattr(analyzer, name, None)
        expect(isinstance(value, str) and bool(value.strip()), kind, f"`{name}` must be a text that is not blank")
    expect(bool(_ID.fullmatch(analyzer.id)), kind, "`id` must be snake_case")
    expect(bool(CHINESE.search(analyzer.name)), kind, "`name` must be Chinese: people read it")
    expect(bool(CHINESE.search(analyzer.description)), kind, "`description` must be Chinese: people read it")
    _check_options(analyzer, kind)
    phrases = {label: list(words) for label, words in analyzer.phrases().items()}
    for label, words in phrases.items():
        expect(all(isinstance(word, str) and word for word in words), kind, f"phrases of `{label}` must be texts")
    again = {label: list(words) for label, words in analyzer.phrases().items()}
    expect(again == phrases, kind, "`phrases()` must give the same phrases each time")


def _check_options(analyzer: Analyzer, kind: str) -> None:
    options = analyzer.Options
    expect(dataclasses.is_dataclass(options), kind, "`Options` must be a dataclass")
    parameters = getattr(options, "__dataclass_params__", None)
    expect(bool(getattr(parameters, "frozen", False)), kind, "`Options` must be frozen")
    for option in dataclasses.fields(options):
        defaults: tuple[object, object] = (option.default, option.default_factory)
        has_default = defaults != (dataclasses.MISSING, dataclasses.MISSING)
        expect(has_default, kind, f"option `{option.name}` must have a default")
        expect(bool(option.kw_only), kind, f"option `{option.name}` must be keyword-only")
    expect(isinstance(analyzer.options, options), kind, "`options` must be an instance of `Options`")


def _cases(also: Sequence[tuple[CallInfo, Transcript]]) -> Iterator[_Case]:
    """All calls, each as a text conversation and with acoustic facts."""
    for name, call, transcript in _calls(also):
        yield f"{name}, text only", call, transcript
        yield f"{name}, with voice facts", call, with_made_up_voice(transcript)


def _calls(also: Sequence[tuple[CallInfo, Transcript]]) -> Iterator[_Case]:
    for sample in sample_calls():
        yield f"sample call {sample.id}", sample.script.call_info(), sample.transcript()
    for edge in edge_calls():
        yield f"edge call '{edge.name}'", edge.call, edge.transcript
    for index, (call, transcript) in enumerate(also):
        yield f"own call {index}", call, transcript


def _checked_afterwards(witness: Witness, inspection: Inspection, case: _Case) -> tuple[Finding, ...]:
    name, call, transcript = case
    before = repr((call, transcript))
    result = inspection.analyze(transcript, call)
    for failure in result.failures:
        expect(failure.analyzer == witness.id, name, f"the analyzer {failure.analyzer} beside it failed")
        witness.explain(failure, name, transcript)
    findings = result.findings
    expect(repr((call, transcript)) == before, name, "the analyzer changed the call or the transcript")
    for finding in (one for one in findings if one.dimension == witness.id):
        check_finding(finding, witness.id, name, transcript)
    _same(name, "a second run", findings_of(call, transcript, inspection), findings)
    return findings


def _check_at_once(inspection: Inspection, cases: Sequence[_Case], afterwards: dict[str, tuple[Finding, ...]]) -> None:
    """One instance serves many calls at once: state kept on it would mix them up."""
    replays = [(name, CallReplay(call, transcript, inspection, seed=4)) for name, call, transcript in cases]
    order = random.Random(5)  # noqa: S311 - a repeatable order, no secret
    running = list(replays)
    while running:
        chosen = order.randrange(len(running))
        if not running[chosen][1].step():
            running.pop(chosen)
    for name, replay in replays:
        _same(name, "a replay among other running calls", replay.findings(), afterwards[name])


def _same(name: str, how: str, got: Sequence[Finding], wanted: Sequence[Finding]) -> None:
    if tuple(got) == tuple(wanted):
        return
    got_ids, wanted_ids = [item.id for item in got], [item.id for item in wanted]
    difference = f"{got_ids} instead of {wanted_ids}" if got_ids != wanted_ids else "same ids, other content"
    raise AssertionError(f"{name}: {how} gave other findings: {difference}")
