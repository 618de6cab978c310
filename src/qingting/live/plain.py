"""Events of a running call as JSON objects, personal data masked: what doors, pages and programs get."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from qingting.live.wire import Told
from qingting.model.live_event import (
    AssistHint,
    FinalUtterance,
    FindingRaised,
    LiveEvent,
    PartialText,
    RiskRaised,
    SpeechDropped,
)

if TYPE_CHECKING:
    from qingting.live.masking import LiveMasking
    from qingting.model.finding import Finding
    from qingting.model.transcript import Utterance

NAMES = {
    "PartialText": "partial",
    "FinalUtterance": "utterance",
    "SpeechDropped": "dropped",
    "FindingRaised": "finding",
    "RiskRaised": "risk",
    "EmotionChanged": "emotion",
    "AssistHint": "hint",
    "ChecklistChanged": "checklist",
    "AlertRaised": "alert",
    "ReportReady": "report",
    "ReportDelayed": "report_delayed",
    "LiveFault": "error",
}
"""Kind of event -> its `type`."""


def told(event: LiveEvent, masking: LiveMasking) -> Told:
    """Write an event for those who listen; utterances must come in their order."""
    match event:
        case PartialText():
            stable, tail = masking.growing(event.stable_text, event.tail_text)
            text = _text(event, {**_plain(event), "stable_text": stable, "tail_text": tail})
            return Told(text=text, partial_of=event.party)
        case FinalUtterance():
            spoken = event.utterance
            text = _text(event, {"at_ms": event.at_ms, **_utterance(spoken, masking.utterance(spoken))})
            return Told(text=text, final_of=spoken.party)
        case SpeechDropped():
            return Told(text=_text(event, _plain(event)), final_of=event.party)
        case FindingRaised():
            found = _finding(masking.finding(event.finding))
            return Told(text=_text(event, {"at_ms": event.at_ms, "finding": found}))
        case RiskRaised():
            return Told(text=_text(event, {**_plain(event), "quote": masking.text(event.quote)}))
        case AssistHint():
            return Told(text=_text(event, {**_plain(event), "text": masking.text(event.text)}))
        case _:
            return Told(text=_text(event, _plain(event)))


def numbered(text: str, sequence: int) -> str:
    """Put the sequence number into an event's JSON."""
    return f'{{"sequence": {sequence}, {text[1:]}'


def _text(event: LiveEvent, plain: dict[str, Any]) -> str:
    return json.dumps({"type": NAMES[type(event).__name__], **plain}, ensure_ascii=False, default=_other)


def _other(value: object) -> object:
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: getattr(value, one.name) for one in fields(value)}  # type: ignore[arg-type]
    return dict(value) if hasattr(value, "keys") else str(value)  # type: ignore[call-overload]


def _plain(event: LiveEvent) -> dict[str, Any]:
    return {one.name: getattr(event, one.name) for one in fields(event) if one.name != "sequence"}


def _utterance(spoken: Utterance, text: str) -> dict[str, Any]:
    return {
        "index": spoken.index,
        "party": spoken.party,
        "role": spoken.role.value,
        "start_ms": spoken.start_ms,
        "end_ms": spoken.end_ms,
        "text": text,
        "language": spoken.language,
        "flags": [flag.value for flag in spoken.flags],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "rule_id": finding.rule_id,
        "dimension": finding.dimension,
        "title": finding.title,
        "level": int(finding.level),
        "polarity": finding.polarity.value,
        "who": finding.who.value,
        "confidence": finding.confidence.value,
        "explanation": finding.explanation,
        "advice": finding.advice,
        "evidence": [
            {
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "utterance": one.utterance,
                "role": one.role.value,
                "quote": one.quote,
                "note": one.note,
            }
            for one in finding.evidence
        ],
    }
