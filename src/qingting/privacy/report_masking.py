"""Masks a whole report: transcript, evidence, and every sentence that could repeat what was said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from qingting.analysis.character_times import CharacterTimes
from qingting.particulars.numbers import valid_id_card
from qingting.privacy.hiding import MASK, masked_value
from qingting.privacy.known_values import KnownValues, Quotes
from qingting.privacy.masking import hide_all, lines_of

if TYPE_CHECKING:
    from qingting.model.call import CallInfo, DesktopEvent
    from qingting.model.finding import Evidence, Finding
    from qingting.model.report import Report, Score, SimilarCase
    from qingting.model.transcript import Correction, TimedText, Transcript, Utterance
    from qingting.privacy.masking import Masker

_PERSONAL_FIELD = re.compile(
    r"姓名|名字|客户名|称呼|联系人|电话|手机|号码|身份证|证件|地址|卡号|账号|邮箱|微信|生日"
    r"|(?:^|_)(?:customer_?name|full_?name|contact|phone|mobile|tel|telephone|caller|callee|ani|dnis|address|id_?card|id_?number"
    r"|card_?number|email|mail|birthday)(?:$|_)",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_MOBILE_IN_KEY = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_ID_IN_KEY = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")


def mask_report(report: Report, masker: Masker) -> Report:
    """Return the report with all personal data masked; still valid under the report's schema.

    The digests stay those of the unmasked report, which alone can be verified. Staff number, team, identifiers,
    times and figures stay as they are.
    """
    return _ReportMasking(report, masker).report()


class _ReportMasking:
    """One report and what is hidden in it."""

    def __init__(self, report: Report, masker: Masker) -> None:
        self._report = report
        self._masker = masker
        self._texts: dict[str, dict[int, str]] = {}
        found_anywhere = []
        for field in ("text", "spoken_text", "original_text"):
            lines = lines_of(report.transcript, field=field)
            found = masker.found_in(lines)
            found_anywhere += found
            self._texts[field] = hide_all(lines, found)
        self._known = KnownValues(found_anywhere)
        self._texts = {
            field: {index: self._known.mask(text) for index, text in texts.items()}
            for field, texts in self._texts.items()
        }
        self._quotes = Quotes(lines_of(report.transcript), self._texts["text"])

    def report(self) -> Report:
        """Put the masked report together."""
        report = self._report
        return replace(
            report,
            call=self._call(report.call),
            roles=replace(report.roles, reasons=tuple(map(self._say, report.roles.reasons))),
            transcript=self._transcript(report.transcript),
            findings=tuple(map(self._finding, report.findings)),
            gaps=tuple(replace(gap, reason=self._say(gap.reason)) for gap in report.gaps),
            score=self._score(report.score),
            advice=tuple(replace(one, title=self._say(one.title), text=self._say(one.text)) for one in report.advice),
            similar_cases=tuple(map(self._case, report.similar_cases)),
        )

    def _say(self, text: str) -> str:
        """Mask a sentence."""
        return self._masker.mask_text(self._known.mask(self._quotes.recut(text))) if text else text

    def _words(self, text: str) -> str:
        """Mask words that may be cut from the transcript, without quotation marks."""
        return self._say(self._quotes.words(text))

    def _key(self, text: str) -> str:
        """Mask a key of the centre's systems: what is in it of numbers that name a person; keys are no sentences."""
        text = self._known.mask(text)
        if "phone" in self._masker.kinds:
            text = _MOBILE_IN_KEY.sub(lambda match: masked_value("phone", match.group()), text)
        if "id_card" in self._masker.kinds:
            text = _ID_IN_KEY.sub(_without_id, text)
        return text

    def _call(self, call: CallInfo) -> CallInfo:
        events = call.desktop_events
        return replace(
            call,
            call_id=self._key(call.call_id),
            customer_reference=self._key(call.customer_reference),
            fields={name: self._field(name, value) for name, value in call.fields.items()},
            desktop_events=None if events is None else tuple(map(self._event, events)),
        )

    def _field(self, name: str, value: str) -> str:
        if self._masker.kinds and _PERSONAL_FIELD.search(name):
            return MASK * len(value)
        return self._words(value) if _HAN.search(value) else self._key(value)

    def _event(self, event: DesktopEvent) -> DesktopEvent:
        return replace(
            event, query=self._words(event.query), title=self._words(event.title), text=self._words(event.text)
        )

    def _transcript(self, transcript: Transcript) -> Transcript:
        return replace(transcript, utterances=tuple(map(self._utterance, transcript.utterances)))

    def _utterance(self, utterance: Utterance) -> Utterance:
        text = self._texts["text"][utterance.index]
        return replace(
            utterance,
            text=text,
            spoken_text=self._texts["spoken_text"][utterance.index],
            original_text=self._texts["original_text"][utterance.index],
            characters=_units(utterance, text),
            corrections=tuple(self._correction(one, utterance.text, text) for one in utterance.corrections),
        )

    def _correction(self, correction: Correction, text: str, masked: str) -> Correction:
        start, end = correction.start_char, correction.end_char
        changed = text[start:end] != masked[start:end]
        return replace(
            correction,
            written=masked[start:end] if changed else correction.written,
            heard=MASK * len(correction.heard) if changed else self._known.mask(correction.heard),
            why=self._say(correction.why),
        )

    def _finding(self, finding: Finding) -> Finding:
        return replace(
            finding,
            evidence=tuple(map(self._evidence, finding.evidence)),
            confidence=replace(finding.confidence, reasons=tuple(map(self._say, finding.confidence.reasons))),
            explanation=self._say(finding.explanation),
            advice=self._say(finding.advice),
            facts=self._facts(finding.facts),
        )

    def _facts(self, facts: Mapping[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        return {name: self._words(value) if isinstance(value, str) else value for name, value in facts.items()}

    def _evidence(self, evidence: Evidence) -> Evidence:
        quote = evidence.quote
        if evidence.utterance is not None:
            quote = self._texts["text"][evidence.utterance][evidence.start_char : evidence.end_char]
        return replace(evidence, quote=quote, note=self._words(evidence.note))

    def _score(self, score: Score) -> Score:
        lines = tuple(replace(line, reason=self._say(line.reason)) for line in score.lines)
        return replace(score, lines=lines, note=self._say(score.note))

    def _case(self, case: SimilarCase) -> SimilarCase:
        return replace(
            case, call_id=self._key(case.call_id), quote=self._say(case.quote), handling=self._say(case.handling)
        )


def _units(utterance: Utterance, masked: str) -> tuple[TimedText, ...]:
    """Timed characters cut again from the masked text; hidden altogether where their place is not known."""
    if masked == utterance.text:
        return utterance.characters
    places = {id(unit): (start, end) for start, end, unit in CharacterTimes(utterance).units}
    return tuple(
        replace(unit, text=masked[slice(*places[id(unit)])] if id(unit) in places else MASK * len(unit.text))
        for unit in utterance.characters
    )


def _without_id(match: re.Match[str]) -> str:
    return masked_value("id_card", match.group()) if valid_id_card(match.group()) else match.group()
