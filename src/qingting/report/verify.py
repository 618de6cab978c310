"""Re-checks a stored report: whatever was changed after the fact is noticed.

Two layers. The digests notice any change at all. The checks behind them re-derive what can be
re-derived (quotes from the transcript, points from the lines, figures from the times), so that a
change with freshly computed digests is noticed as well wherever the report contradicts itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.errors import ReportError
from qingting.model.call import Role
from qingting.model.finding import Evidence, Finding, Standing
from qingting.report.card import tenths
from qingting.report.evidence import report_sha256, transcript_sha256
from qingting.report.formats import json as json_format
from qingting.report.statistics import call_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qingting.model.report import Report, ScoreLine
    from qingting.model.transcript import Transcript, Utterance


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing in a stored report that does not hold."""

    check: str
    """Machine name of the check: `schema`, `seal`, `transcript`, `evidence`, `score` …"""
    where: str
    """Path of the field, e.g. `findings[2].evidence[0].quote`."""
    message: str
    """Chinese sentence; holds no words of the call."""


def verify_json(data: str | bytes, audio_sha256: str | None = None) -> list[Problem]:
    """Verify a stored report as text; one that cannot be read is one `schema` problem."""
    try:
        report = json_format.load(data)
    except ReportError as error:
        return [Problem(check="schema", where="", message=f"报告不符合格式：{error.cause}")]
    return verify(report, audio_sha256)


def verify(report: Report, audio_sha256: str | None = None) -> list[Problem]:
    """Verify a report against itself, and against a recording's hex SHA-256 when one is given.

    The answer is empty when everything holds.
    """
    checks: tuple[Callable[[Report], Iterator[Problem]], ...] = (
        _schema,
        _seals,
        _transcript,
        _statistics,
        _findings,
        _score,
        _lines,
        _advice,
        _gaps,
        _similar_cases,
    )
    problems = [problem for check in checks for problem in check(report)]
    recorded = report.recording.sha256 if report.recording else None
    if audio_sha256 is not None and audio_sha256.lower() != recorded:
        message = "录音文件与报告所依据的不是同一份"
        problems.append(Problem(check="recording", where="recording.sha256", message=message))
    return problems


def _schema(report: Report) -> Iterator[Problem]:
    try:
        same = json_format.load(json_format.dump(report)) == report
    except ReportError as error:
        yield Problem(check="schema", where="", message=f"报告不符合格式：{error.cause}")
        return
    if not same:
        yield Problem(check="schema", where="", message="报告写成 JSON 后读回不一致")


def _seals(report: Report) -> Iterator[Problem]:
    try:
        transcript, whole = transcript_sha256(report.transcript), report_sha256(report)
    except ReportError:
        yield Problem(check="seal", where="provenance", message="无法计算摘要")
        return
    if transcript != report.provenance.transcript_sha256:
        yield Problem(check="seal", where="provenance.transcript_sha256", message="转写内容在出具报告后被改动")
    if whole != report.provenance.report_sha256:
        yield Problem(check="seal", where="provenance.report_sha256", message="报告内容在出具后被改动")


def _transcript(report: Report) -> Iterator[Problem]:
    end = report.transcript.duration_ms
    order = [(u.start_ms, u.end_ms, u.party) for u in report.transcript.utterances]
    if order != sorted(order):
        yield Problem(check="transcript", where="transcript.utterances", message="语句未按时间排列")
    for index, utterance in enumerate(report.transcript.utterances):
        where = f"transcript.utterances[{index}]"
        if utterance.index != index:
            yield Problem(check="transcript", where=f"{where}.index", message="语句序号不连续")
        if not 0 <= utterance.start_ms <= utterance.end_ms <= end:
            yield Problem(check="transcript", where=where, message="语句时间不在通话之内")
        times = [edge for unit in utterance.characters for edge in (unit.start_ms, unit.end_ms)]
        if times != sorted(times) or (times and not utterance.start_ms <= times[0] <= times[-1] <= utterance.end_ms):
            yield Problem(check="transcript", where=f"{where}.characters", message="逐字时间不在语句之内或次序颠倒")
        given = report.roles.roles.get(utterance.party)
        # Unsure decisions leave the likely role on the utterance, with the decision's confidence.
        if given not in (None, Role.UNSURE, utterance.role):
            yield Problem(check="transcript", where=f"{where}.role", message="语句角色与角色判定不一致")


def _statistics(report: Report) -> Iterator[Problem]:
    if report.statistics != call_statistics(report.transcript):
        yield Problem(check="statistics", where="statistics", message="统计数字与转写不一致")


def _findings(report: Report) -> Iterator[Problem]:
    ids = Counter(finding.id for finding in report.findings)
    for index, finding in enumerate(report.findings):
        where = f"findings[{index}]"
        if ids[finding.id] > 1 or not finding.id.startswith(f"{finding.rule_id}#"):
            yield Problem(check="finding", where=f"{where}.id", message="编号重复或与规则不符")
        if not 0 <= finding.confidence.value <= 1:
            yield Problem(check="finding", where=f"{where}.confidence.value", message="把握程度不在0到1之间")
        if not finding.evidence:
            yield Problem(check="evidence", where=f"{where}.evidence", message="没有证据")
        if finding.dimension not in report.provenance.analyzers:
            yield Problem(check="finding", where=f"{where}.dimension", message="所属维度未列入已运行的分析")
        for at, evidence in enumerate(finding.evidence):
            for field, message in _evidence(evidence, report.transcript):
                yield Problem(check="evidence", where=f"{where}.evidence[{at}].{field}", message=message)


def _evidence(evidence: Evidence, transcript: Transcript) -> Iterator[tuple[str, str]]:
    if not 0 <= evidence.start_ms <= evidence.end_ms <= transcript.duration_ms:
        yield "start_ms", "证据时间不在通话之内"
    if evidence.utterance is None:
        if evidence.quote or evidence.start_char or evidence.end_char:
            yield "quote", "引文没有指明语句"
        return
    if not 0 <= evidence.utterance < len(transcript.utterances):
        yield "utterance", "所指语句不存在"
        return
    yield from _quoted(evidence, transcript.utterances[evidence.utterance])


def _quoted(evidence: Evidence, utterance: Utterance) -> Iterator[tuple[str, str]]:
    if not 0 <= evidence.start_char <= evidence.end_char <= len(utterance.text):
        yield "start_char", "引文位置超出语句"
    elif evidence.quote != utterance.text[evidence.start_char : evidence.end_char]:
        yield "quote", "引文与语句原文不一致"
    if evidence.role != utterance.role:
        yield "role", "证据的说话人与语句不一致"
    inside = utterance.start_ms <= evidence.start_ms <= evidence.end_ms <= utterance.end_ms
    if evidence.quote and not inside:
        yield "start_ms", "证据时间不在所引语句之内"


def _score(report: Report) -> Iterator[Problem]:
    score = report.score
    total = tenths(score.base) + sum(tenths(line.points) for line in score.lines)
    expected = min(max(total, tenths(score.floor)), tenths(score.ceiling)) / 10 if score.valid else 0.0
    if score.total != expected:
        yield Problem(check="score", where="score.total", message="总分与各项得分之和不一致")
    if bool(score.grade) != score.valid:
        yield Problem(check="score", where="score.grade", message="等级与是否评分不一致")
    if not score.note:
        yield Problem(check="score", where="score.note", message="缺少评分说明")
    if not score.valid and any(line.points or line.applicable for line in score.lines):
        yield Problem(check="score", where="score.lines", message="未评分的通话不应有计分项")


def _lines(report: Report) -> Iterator[Problem]:
    by_id = {finding.id: finding for finding in report.findings}
    named = Counter(id_ for line in report.score.lines for id_ in line.findings)
    for index, line in enumerate(report.score.lines):
        for field, message in _line(line, by_id):
            yield Problem(check="score", where=f"score.lines[{index}].{field}", message=message)
    for index, finding in enumerate(report.findings):
        listed = named[finding.id]
        if listed > 1:
            yield Problem(check="score", where=f"findings[{index}]", message="同一问题被两个评分项引用")
        if (finding.standing is Standing.UNSCORED) == bool(listed):
            yield Problem(check="score", where=f"findings[{index}].standing", message="计分状态与评分项不一致")
        if finding.points and finding.standing is not Standing.COUNTED:
            yield Problem(check="score", where=f"findings[{index}].points", message="未计分的问题不应有分值")


def _line(line: ScoreLine, findings: dict[str, Finding]) -> Iterator[tuple[str, str]]:
    unknown = [id_ for id_ in (*line.findings, *line.review) if id_ not in findings]
    if unknown:
        yield "findings", "引用了不存在的问题"
        return
    own = [findings[id_] for id_ in line.findings]
    if sum(tenths(finding.points) for finding in own) != tenths(line.points):
        yield "points", "该项得分与其问题的分值之和不一致"
    waiting = tuple(finding.id for finding in own if finding.standing is Standing.REVIEW)
    if waiting != line.review:
        yield "review", "待复核的问题与其状态不一致"
    counted = any(finding.standing is Standing.COUNTED for finding in own)
    if line.points and (line.by_hand or not line.applicable):
        yield "points", "不计分的项不应有分值"
    if line.fatal and not (counted or own):
        yield "fatal", "一票否决没有对应的问题"
    if not line.reason:
        yield "reason", "缺少计分说明"


def _advice(report: Report) -> Iterator[Problem]:
    by_id = {finding.id: finding for finding in report.findings}
    for index, advice in enumerate(report.advice):
        where = f"advice[{index}]"
        if not advice.findings or any(id_ not in by_id for id_ in advice.findings):
            yield Problem(check="advice", where=f"{where}.findings", message="建议没有对应的问题")
            continue
        starts = {evidence.start_ms for id_ in advice.findings for evidence in by_id[id_].evidence}
        if advice.start_ms not in starts:
            yield Problem(check="advice", where=f"{where}.start_ms", message="建议所指时间不是其问题的时间")


def _gaps(report: Report) -> Iterator[Problem]:
    named = {gap.what for gap in report.gaps}
    for index, failure in enumerate(report.failures):
        if f"analyzer:{failure.analyzer}" not in named:
            yield Problem(check="gap", where=f"failures[{index}]", message="失败的分析未列入未分析内容")
    if report.recording is not None and report.recording.truncated and "audio.truncated" not in named:
        yield Problem(check="gap", where="recording.truncated", message="录音不完整未列入未分析内容")
    if len(set(report.gaps)) != len(report.gaps):
        yield Problem(check="gap", where="gaps", message="未分析内容重复")


def _similar_cases(report: Report) -> Iterator[Problem]:
    known = {finding.id for finding in report.findings}
    for index, case in enumerate(report.similar_cases):
        if case.finding not in known:
            yield Problem(check="similar", where=f"similar_cases[{index}].finding", message="相似案例指向不存在的发现")
        if case.call_id == report.call.call_id:
            yield Problem(check="similar", where=f"similar_cases[{index}].call_id", message="相似案例就是本通话")
