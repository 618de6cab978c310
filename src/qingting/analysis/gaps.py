"""What of a call could not be inspected: a missing analysis must never look like a clean one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.call import CallInfo, Medium, Role
from qingting.model.report import Gap
from qingting.model.transcript import Flag, Utterance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qingting.analysis.analyzer import Analyzer
    from qingting.analysis.context import CallState


def find_gaps(analyzers: Iterable[Analyzer], state: CallState) -> tuple[Gap, ...]:
    """Return what was not inspected, with the reason in Chinese for the report's reader.

    `state` is the call at its end. `analyzer:<id>` for an analyzer that could not work on the call at all, `roles` and
    `recognition` for parts of it, `one_sided` when only one party was heard.
    """
    utterances = state.utterances
    heard = {utterance.role for utterance in utterances}
    has_audio = any(utterance.voice is not None for utterance in utterances)
    gaps: list[Gap] = []
    for analyzer in analyzers:
        reason = _cannot_run(analyzer, heard, has_audio=has_audio) or lacking(analyzer, state.call)
        if reason:
            gaps.append(Gap(what=f"analyzer:{analyzer.id}", reason=f"“{analyzer.name}”未检查：{reason}"))
    gaps += _of_medium(state.call)
    gaps += _parts(utterances, heard, unheard=len(state.speaking))
    return tuple(gaps)


def lacking(analyzer: Analyzer, call: CallInfo) -> str:
    """Say in Chinese which data the analyzer needs and the call does not carry; empty when nothing is missing."""
    if analyzer.needs_desktop_events and call.desktop_events is None:
        return "未提供桌面操作记录。"
    if analyzer.needs_times and not call.times_known:
        return "会话消息没有时间。"
    return ""


def _of_medium(call: CallInfo) -> list[Gap]:
    if call.medium is Medium.VOICE:
        return []
    return [Gap(what="medium", reason="文字会话没有声音，静默、插话、语速、独白与说话占比等不检查。")]


def _cannot_run(analyzer: Analyzer, heard: set[Role], *, has_audio: bool) -> str:
    if not heard:
        return "通话中没有检测到语音。"
    if analyzer.needs_audio and not has_audio:
        return "该项需要录音的声学信息，而本次会话只有文字。"
    if analyzer.needs_roles and heard == {Role.UNSURE}:
        return "无法判断哪一方是坐席。"
    return ""


def _parts(utterances: Sequence[Utterance], heard: set[Role], *, unheard: int) -> list[Gap]:
    gaps: list[Gap] = []
    unsure = sum(utterance.role is Role.UNSURE for utterance in utterances)
    if unsure:
        gaps.append(Gap(what="roles", reason=f"有{unsure}句无法判断说话人是坐席还是客户，这些语句未按角色检查。"))
    elif len(heard) == 1:
        gaps.append(
            Gap(what="one_sided", reason=f"只听到{next(iter(heard)).chinese}一方的语音，与对话有关的项目未检查。")
        )
    lost = sum(Flag.REFUSED in utterance.flags or Flag.EMPTY_ANSWER in utterance.flags for utterance in utterances)
    lost += unheard
    if lost:
        gaps.append(Gap(what="recognition", reason=f"有{lost}句语音没有识别出文字，其内容未检查。"))
    return gaps
