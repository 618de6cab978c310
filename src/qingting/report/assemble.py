"""Joins everything known of a call into its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qingting
from qingting.model.call import CallInfo, Role
from qingting.model.report import Gap, Provenance, Report
from qingting.model.transcript import Flag
from qingting.report import wording
from qingting.report.advice import build_advice
from qingting.report.doubt import ROLES_UNSURE
from qingting.report.evidence import seal
from qingting.report.scorecard import score
from qingting.report.similar_cases import similar_cases
from qingting.report.statistics import call_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qingting.model.audio import RecordingFormat, RoleDecision
    from qingting.model.finding import AnalyzerFailure, Finding
    from qingting.model.transcript import Transcript, Utterance
    from qingting.report.card import Card
    from qingting.report.similar_cases import CaseLibrary


def assemble(
    *,
    call: CallInfo,
    recording: RecordingFormat | None,
    roles: RoleDecision,
    transcript: Transcript,
    findings: Sequence[Finding],
    failures: Sequence[AnalyzerFailure],
    gaps: Sequence[Gap],
    card: Card,
    pack: str,
    analyzer_versions: Mapping[str, str],
    created_at: str,
    analyzer_names: Mapping[str, str] | None = None,
    case_library: CaseLibrary | None = None,
) -> Report:
    """Score the findings, complete the gaps, write advice and statistics, and seal the report.

    `gaps` are those only the caller knows (`analyzer:<id>` for a dimension that was skipped);
    what follows from the other arguments is added here. `pack` is `<id>@<version>`;
    `analyzer_versions` holds every analyzer that ran, failed ones included; `created_at` is
    ISO 8601, UTC; `case_library` gives past cases like the serious findings. Raises ReportError
    when a text cannot be written as UTF-8.
    """
    every_gap = complete_gaps(gaps, recording=recording, roles=roles, transcript=transcript, failures=failures)
    verdict, settled = score(
        card,
        findings,
        call=call,
        transcript=transcript,
        failures=failures,
        gaps=every_gap,
        inspected=frozenset(analyzer_versions),
        analyzer_names=analyzer_names,
    )
    report = Report(
        call=call,
        recording=recording,
        roles=roles,
        transcript=transcript,
        statistics=call_statistics(transcript),
        findings=settled,
        failures=tuple(failures),
        gaps=every_gap,
        score=verdict,
        advice=build_advice(settled),
        provenance=Provenance(
            qingting_version=qingting.__version__,
            created_at=created_at,
            pack=pack,
            transcript_sha256="",
            analyzers=dict(analyzer_versions),
            analyzer_names=dict(analyzer_names or {}),
        ),
        similar_cases=similar_cases(settled, call, case_library),
    )
    return seal(report)


def complete_gaps(
    gaps: Iterable[Gap],
    *,
    recording: RecordingFormat | None,
    roles: RoleDecision,
    transcript: Transcript,
    failures: Iterable[AnalyzerFailure],
) -> tuple[Gap, ...]:
    """Add to the given gaps every one that follows from the inputs; a name given already is kept as given."""
    derived = [*_audio(recording), *_roles(roles, transcript), *_words(transcript), *_failed(failures)]
    given = tuple(dict.fromkeys(gaps))
    named = {gap.what for gap in given}
    return (*given, *(gap for gap in derived if gap.what not in named))


def _audio(recording: RecordingFormat | None) -> list[Gap]:
    if recording is None or not recording.truncated:
        return []
    lost = recording.truncation.rstrip("。")
    detail = f"（{lost}）" if lost else ""
    return [Gap(what="audio.truncated", reason=f"录音不完整{detail}，缺失部分未质检；应说未说类问题转为待复核。")]


def _roles(roles: RoleDecision, transcript: Transcript) -> list[Gap]:
    worded = [u for u in transcript.utterances if u.text.strip()]
    heard = {u.role for u in worded}
    if not transcript.utterances:
        return [Gap(what="speech", reason="录音中没有检测到说话声，各项内容均无从质检。")]
    if not worded:
        return []
    if heard == {Role.AGENT, Role.CUSTOMER}:
        if Role.UNSURE not in roles.roles.values():
            return []
        why = f"：{'；'.join(reason.rstrip('。') for reason in roles.reasons)}" if roles.reasons else ""
        share = wording.percent(roles.confidence)
        return [Gap(what=ROLES_UNSURE, reason=f"坐席与客户的判断把握只有{share}{why}。所有发现均转为待复核。")]
    if Role.UNSURE in heard:
        several = len({u.party for u in worded}) > 1
        why = f"（{'；'.join(reason.rstrip('。') for reason in roles.reasons)}）" if roles.reasons else ""
        if several:
            return [Gap(what="roles", reason=f"未能分清坐席与客户{why}，按角色判断的问题均转为待复核。")]
        return [Gap(what="roles", reason=f"只听到一方说话，无法判断其身份{why}。")]
    (only,) = heard
    reason = f"只听到{only.chinese}一方说话，未听到{only.other.chinese}，无法质检对话过程。"
    return [Gap(what="one_sided", reason=reason)]


def _words(transcript: Transcript) -> list[Gap]:
    refused = [u for u in transcript.utterances if Flag.REFUSED in u.flags]
    doubtful = [u for u in transcript.utterances if u not in refused and any(flag.doubtful for flag in u.flags)]
    found = []
    if refused:
        found.append(Gap(what="recognition", reason=f"{_sentences(refused)}识别失败、没有文字，未质检。"))
    if doubtful:
        reason = f"{_sentences(doubtful)}的识别结果存疑，据此发现的问题转为待复核。"
        found.append(Gap(what="recognition.doubtful", reason=reason))
    return found


def _sentences(utterances: Sequence[Utterance]) -> str:
    shown = wording.moments(u.start_ms for u in utterances[:3])
    length = wording.duration(sum(u.end_ms - u.start_ms for u in utterances))
    return f"{len(utterances)}句（{shown}{'等' if len(utterances) > 3 else ''}，共{length}）"


def _failed(failures: Iterable[AnalyzerFailure]) -> list[Gap]:
    return [
        Gap(
            what=f"analyzer:{failure.analyzer}",
            reason=f"“{failure.name or failure.analyzer}”分析在{wording.moment(failure.at_ms)}出错中止"
            f"（{failure.error_type}），其后的内容在这一维度未质检。",
        )
        for failure in failures
    ]
