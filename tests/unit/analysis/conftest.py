"""Short notation for conversations, and analyzers built from packs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from qingting.analysis.analyzer import Analyzer
from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack
from qingting.analysis.runner import AnalysisResult, Inspection
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance

_LINE = re.compile(r"(?P<who>[ACU])(?P<gap>[+-]\d+)?(?:/(?P<length>\d+))?\s(?P<text>.*)")
_ROLES = {"A": Role.AGENT, "C": Role.CUSTOMER, "U": Role.UNSURE}
_MS_PER_CHARACTER = 220

Talk = Callable[..., Transcript]
Inspect = Callable[..., AnalysisResult]


def make_talk(*lines: str, tail_ms: int = 2000, **changes: object) -> Transcript:
    """Build a transcript: "A 您好", "C+9000 在吗" (gap in ms), "A-500/3000 …" (gap and length)."""
    utterances: list[Utterance] = []
    latest_ms = 0
    for line in lines:
        match = _LINE.fullmatch(line)
        assert match is not None, line
        start_ms = max(latest_ms + int(match["gap"] or 600), 0)
        end_ms = start_ms + int(match["length"] or max(len(match["text"]), 2) * _MS_PER_CHARACTER)
        latest_ms = max(latest_ms, end_ms)
        fields: dict[str, object] = {
            "index": len(utterances),
            "party": {"A": "left", "C": "right", "U": "mono"}[match["who"]],
            "role": _ROLES[match["who"]],
            "role_confidence": 1.0,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "text": match["text"],
            **changes,
        }
        utterances.append(Utterance(**fields))  # type: ignore[arg-type]
    utterances.sort(key=lambda one: (one.start_ms, one.end_ms, one.party))
    numbered = tuple(_renumbered(one, index) for index, one in enumerate(utterances))
    return Transcript(
        utterances=numbered,
        engine=EngineIdentity(name="test", model="test", revision=""),
        duration_ms=latest_ms + tail_ms,
    )


def _renumbered(utterance: Utterance, index: int) -> Utterance:
    from dataclasses import replace

    return replace(utterance, index=index)


@cache
def prepared(pack: str) -> Inspection:
    """Analyzers of a pack, compiled once."""
    return Inspection(build_analyzers(load_pack(pack), discover()))


@pytest.fixture
def talk() -> Talk:
    """Notation for conversations."""
    return make_talk


@pytest.fixture
def inspect() -> Inspect:
    """Analyse a transcript with a pack's analyzers, or with given ones."""

    def run(transcript: Transcript, pack: str = "general", *analyzers: Analyzer) -> AnalysisResult:
        inspection = Inspection(analyzers) if analyzers else prepared(pack)
        return inspection.analyze(transcript, CallInfo(call_id="test", line_of_business=pack))

    return run
