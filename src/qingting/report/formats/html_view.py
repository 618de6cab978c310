"""What the page shows, as plain values: the template only lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from qingting.model.call import Role
from qingting.model.finding import Evidence, Finding, Polarity, Standing
from qingting.report import wording
from qingting.report.advice import weighty
from qingting.report.doubt import OMISSION
from qingting.report.statistics import silences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.model.report import PartyStatistics, Report, ScoreLine, SimilarCase
    from qingting.model.transcript import Utterance

_SILENCE_MS = 5000
"""Shorter silences are the breath of a conversation and get no line of their own."""
_LOW_CONFIDENCE = 0.6
_KIND_NAMES = {
    "serious": "严重",
    "medium": "中等",
    "light": "轻微",
    "credit": "亮点",
    "note": "提示",
    "review": "待复核",
}
_STANDING_NAMES = {
    Standing.UNSCORED: "不计分",
    Standing.COUNTED: "已计分",
    Standing.CAPPED: "已达上限",
    Standing.REVIEW: "待复核",
}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of an utterance's text with the findings that quote it."""

    text: str
    kind: str = ""
    """Colour class of the weightiest finding; empty for plain text."""
    anchor: str = ""
    title: str = ""
    heard: str = ""
    """What the engine had written here; empty where nothing was corrected."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A link to a finding."""

    anchor: str
    kind: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the transcript: an utterance, or a silence without one."""

    start_ms: int
    end_ms: int
    utterance: Utterance | None = None
    pieces: tuple[Piece, ...] = ()
    tags: tuple[str, ...] = ()
    doubtful: bool = False
    chips: tuple[Chip, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """A finding as the list shows it."""

    anchor: str
    finding: Finding
    kind: str
    kind_name: str
    dimension: str
    standing: str
    similar: tuple[SimilarCase, ...] = ()
    """Past cases like it, nearest first."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A figure with its bar; share is 0 to 1."""

    name: str
    value: str
    share: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class View:
    """All values of the page."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tone: str
    share: float
    """Of the score between floor and ceiling, in percent."""
    counts: tuple[tuple[str, str, int], ...]
    """(kind, Chinese name, how many)."""
    lines: tuple[Line, ...]
    cards: tuple[Card, ...]
    dimensions: tuple[tuple[str, str], ...]
    sections: tuple[tuple[str, float, tuple[ScoreLine, ...]], ...]
    anchors: dict[str, str]
    """Finding id -> anchor in the page."""
    bars: tuple[Bar, ...]
    provenance: tuple[tuple[str, str], ...]


def view_of(report: Report) -> View:
    """Prepare all values of the page."""
    anchors = anchors_of(report)
    names = report.provenance.analyzer_names
    past = report.similar_cases
    cards = tuple(_card(finding, anchors, names, past) for finding in weighty(report.findings))
    dimensions = dict.fromkeys((card.finding.dimension, card.dimension) for card in cards)
    return View(
        title=f"通话质检报告 {clean(report.call.call_id)}",
        facts=_facts(report),
        tone=_tone(report),
        share=_share(report) * 100,
        counts=tuple(
            (kind, name, sum(card.kind == kind for card in cards))
            for kind, name in _KIND_NAMES.items()
            if kind != "note"
        ),
        lines=_lines(report, anchors),
        cards=cards,
        dimensions=tuple(dimensions),
        # A table of twenty lines that all say "not scored" hides the few that hold something.
        sections=_sections([line for line in report.score.lines if report.score.valid or line.findings]),
        anchors=anchors,
        bars=_bars(report),
        provenance=_provenance(report),
    )


def clean(text: str) -> str:
    """Make control characters visible that HTML forbids; all else is left to escaping."""
    return "".join("�" if (ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) < 0xE000 else c for c in str(text))


def kind_of(finding: Finding) -> str:
    """Colour class of a finding: doubt first, then polarity, then severity."""
    if finding.standing is Standing.REVIEW:
        return "review"
    if finding.polarity is not Polarity.FAULT:
        return finding.polarity.value
    return finding.level.name.lower()


def anchors_of(report: Report) -> dict[str, str]:
    """Finding id -> anchor; ids may hold any characters, anchors only letters and digits."""
    return {finding.id: f"f{number}" for number, finding in enumerate(report.findings, start=1)}


def pins_of(report: Report) -> list[dict[str, Any]]:
    """Findings as the timeline shows them, in order of time."""
    anchors = anchors_of(report)
    pins = [
        {
            "at": finding.evidence[0].start_ms,
            "end": finding.evidence[0].end_ms,
            "id": anchors[finding.id],
            "kind": kind_of(finding),
            "title": f"{wording.clock(finding.evidence[0].start_ms)} {_KIND_NAMES[kind_of(finding)]}：{finding.title}",
        }
        for finding in report.findings
        if finding.evidence
    ]
    return sorted(pins, key=lambda pin: (pin["at"], pin["id"]))


def party_name(party: PartyStatistics) -> str:
    """Name a party for people; parties of unknown role by their number."""
    if party.role is not Role.UNSURE:
        return party.role.chinese
    return {"speaker_1": "说话人一", "speaker_2": "说话人二", "left": "左声道", "right": "右声道"}.get(
        party.party, "未定"
    )


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    call, recording = report.call, report.recording
    kind = "文字会话"
    if recording is not None:
        sound = {1: "单声道", 2: "双声道"}.get(recording.channels, f"{recording.channels}声道")
        kind = f"{sound} {wording.number(recording.sample_rate_hertz / 1000)} kHz {recording.codec}"
    facts = (
        ("坐席", call.agent_id),
        ("班组", call.team),
        ("业务", wording.business(call.line_of_business)),
        ("方向", wording.direction(call.direction)),
        ("开始", call.started_at.replace("T", " ")),
        ("时长", wording.duration(report.statistics.duration_ms)),
        ("录音", kind),
    )
    return tuple((name, value) for name, value in facts if value)


def _share(report: Report) -> float:
    score = report.score
    return (score.total - score.floor) / (score.ceiling - score.floor) if score.valid else 0.0


def _tone(report: Report) -> str:
    if not report.score.valid:
        return "none"
    share = _share(report)
    bands = ((0.9, "credit"), (0.75, "agent"), (0.6, "medium"))
    return next((tone for least, tone in bands if share >= least), "serious")


def _card(finding: Finding, anchors: dict[str, str], names: dict[str, str], past: Sequence[SimilarCase]) -> Card:
    kind = kind_of(finding)
    return Card(
        anchor=anchors[finding.id],
        finding=finding,
        kind=kind,
        kind_name=finding.level.chinese if kind == "review" else _KIND_NAMES[kind],
        dimension=wording.dimension(finding.dimension, names),
        standing=_STANDING_NAMES[finding.standing],
        similar=tuple(case for case in past if case.finding == finding.id),
    )


def _chip(finding: Finding, anchors: dict[str, str]) -> Chip:
    return Chip(anchor=anchors[finding.id], kind=kind_of(finding), title=finding.title)


def _lines(report: Report, anchors: dict[str, str]) -> tuple[Line, ...]:
    spoken = [_spoken(utterance, report, anchors) for utterance in report.transcript.utterances]
    silent = [
        Line(start_ms=start, end_ms=end, chips=_silent_chips(report, start, end, anchors))
        for start, end in silences(report.transcript, at_least_ms=_SILENCE_MS)
    ]
    return tuple(sorted([*spoken, *silent], key=lambda line: (line.start_ms, line.end_ms)))


def _silent_chips(report: Report, start_ms: int, end_ms: int, anchors: dict[str, str]) -> tuple[Chip, ...]:
    # Omissions wait over long stretches of the call; they belong to no silence in particular.
    hit = [
        finding
        for finding in report.findings
        if any(
            e.utterance is None and e.operator != OMISSION and e.start_ms < end_ms - 500 and e.end_ms > start_ms + 500
            for e in finding.evidence
        )
    ]
    return tuple(_chip(finding, anchors) for finding in hit)


def _spoken(utterance: Utterance, report: Report, anchors: dict[str, str]) -> Line:
    touching = [
        (evidence, finding)
        for finding in report.findings
        for evidence in finding.evidence
        if _touches(evidence, utterance)
    ]
    flags = tuple(flag.chinese for flag in utterance.flags)
    unsure = utterance.confidence is not None and utterance.confidence < _LOW_CONFIDENCE
    tags = [*flags, *([f"识别把握{wording.percent(utterance.confidence or 0.0)}"] if unsure else [])]
    if utterance.language not in ("", "zh"):
        tags.insert(0, wording.language(utterance.language))
    chips = dict.fromkeys(_chip(finding, anchors) for _, finding in touching)
    return Line(
        start_ms=utterance.start_ms,
        end_ms=utterance.end_ms,
        utterance=utterance,
        pieces=_pieces(utterance, [pair for pair in touching if pair[0].quote], anchors),
        tags=tuple(tags),
        doubtful=unsure or any(flag.doubtful for flag in utterance.flags),
        chips=tuple(chips),
    )


def _touches(evidence: Evidence, utterance: Utterance) -> bool:
    if evidence.utterance is not None:
        return evidence.utterance == utterance.index
    overlap = evidence.start_ms < utterance.end_ms and evidence.end_ms > utterance.start_ms
    return evidence.operator == "overlap" and evidence.role == utterance.role and overlap


def _pieces(
    utterance: Utterance, quoted: Sequence[tuple[Evidence, Finding]], anchors: dict[str, str]
) -> tuple[Piece, ...]:
    """Cut the text at every border of a quote, so that overlapping quotes nest cleanly."""
    text = utterance.text
    borders = {0, len(text)}
    for evidence, _ in quoted:
        borders |= {min(max(at, 0), len(text)) for at in (evidence.start_char, evidence.end_char)}
    for one in utterance.corrections:
        borders |= {min(max(at, 0), len(text)) for at in (one.start_char, one.end_char)}
    cuts = sorted(borders)
    pieces = []
    for start, end in pairwise(cuts):
        over = weighty(f for e, f in quoted if e.start_char <= start and end <= e.end_char)
        heard = "".join(
            one.heard[max(start - one.start_char, 0) : end - one.start_char]
            for one in utterance.corrections
            if one.start_char <= start and end <= one.end_char
        )
        if not over:
            pieces.append(Piece(text=text[start:end], heard=heard))
            continue
        remarks = [finding.title for finding in over] + ([f"识别原文：{heard}"] if heard else [])
        title = "；".join(dict.fromkeys(remarks))
        pieces.append(
            Piece(text=text[start:end], kind=kind_of(over[0]), anchor=anchors[over[0].id], title=title, heard=heard)
        )
    return tuple(pieces)


def _sections(lines: Sequence[ScoreLine]) -> tuple[tuple[str, float, tuple[ScoreLine, ...]], ...]:
    grouped = [(name, tuple(members)) for name, members in groupby(lines, key=lambda line: line.section)]
    return tuple((name, sum(round(line.points * 10) for line in members) / 10, members) for name, members in grouped)


def _bars(report: Report) -> tuple[Bar, ...]:
    figures = report.statistics
    whole = max(figures.duration_ms, 1)
    bars = [
        Bar(
            name=f"{party_name(party)}说话",
            value=f"{wording.percent(party.talk_ratio)} · {wording.duration(party.speech_ms)}",
            share=party.talk_ratio,
            kind=party.role.value,
        )
        for party in figures.parties
    ]
    bars += [
        Bar(
            name=f"{party_name(party)}语速",
            value=f"每分钟 {round(party.characters_per_second * 60)} 字",
            share=min(party.characters_per_second * 60 / 400, 1.0),
            kind=party.role.value,
        )
        for party in figures.parties
        if party.characters_per_second is not None
    ]
    silent = wording.percent(figures.silence_ms / whole)
    longest = f"最长 {wording.duration(figures.longest_silence_ms)}" if figures.longest_silence_ms else "无"
    bars.append(Bar(name="静默", value=f"{silent} · {longest}", share=figures.silence_ms / whole, kind="light"))
    overlap = wording.duration(figures.overlap_ms)
    bars.append(Bar(name="双方重叠", value=overlap, share=figures.overlap_ms / whole, kind="medium"))
    if figures.mean_response_ms is not None:
        share = min(figures.mean_response_ms / 10_000, 1.0)
        bars.append(Bar(name="平均响应", value=wording.duration(figures.mean_response_ms), share=share, kind="agent"))
    return tuple(bars)


def _provenance(report: Report) -> tuple[tuple[str, str], ...]:
    made, engine = report.provenance, report.transcript.engine
    analyzers = "、".join(
        f"{wording.dimension(name, made.analyzer_names)} {version}" for name, version in made.analyzers.items()
    )
    rows = (
        ("语音引擎", f"{engine.name} · {engine.model}"),
        ("模型版本", engine.revision),
        ("规则包", made.pack),
        ("评分卡", f"{report.score.card_name} {report.score.card}@{report.score.card_version}"),
        ("分析", analyzers),
        ("转写摘要", made.transcript_sha256),
        ("报告摘要", made.report_sha256),
        ("录音摘要", report.recording.sha256 if report.recording else ""),
        ("出具", f"倾听 Qingting {made.qingting_version} · {made.created_at.replace('T', ' ').replace('Z', ' UTC')}"),
    )
    return tuple((name, value) for name, value in rows if value)
