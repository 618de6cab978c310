"""A chat or e-mail thread as a transcript.

Times: a message is known when it is sent, so its utterance begins at the message's time.
It lasts 50 ms per character (at least 0.2 s, at most 3 s), never beyond the next message: long
enough to be seen on a time line, short beside the minutes in which chats are measured.
Messages of one and the same time follow each other by 1 ms, in the order of the file. Messages
without times stand one second apart: they only need an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from qingting.chat.mail import bare_subject, own_words
from qingting.chat.reading import ChatFile, Message, read_chat_file
from qingting.chat.times import MessageTime, TimeKind, in_order, parse_time
from qingting.errors import ScriptError
from qingting.model.call import CallInfo, Medium, Role
from qingting.model.report import Gap
from qingting.model.transcript import EngineIdentity, Transcript, Utterance

CHAT_SUFFIXES = frozenset({".json", ".csv"})
TEXT_ENGINE = EngineIdentity(name="text", model="text", revision="")
"""Identity of transcripts that were written by the speakers themselves."""
MS_PER_CHARACTER = 50
SHORTEST_MS, LONGEST_MS = 200, 3000
LONGEST_SECONDS = 366 * 86_400
"""A thread over more than a year is a wrong date."""
_CALL_FIELDS = ("call_id", "line_of_business", "agent_id", "team", "direction", "started_at", "customer_reference")


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A text conversation, ready for analysis."""

    transcript: Transcript
    call: CallInfo
    gaps: tuple[Gap, ...] = ()
    """What of the conversation is not in the transcript."""


def is_chat(path: Path) -> bool:
    """Whether a file is read as a text conversation, by its suffix."""
    return path.suffix.lower() in CHAT_SUFFIXES


def load_chat(path: Path, call: CallInfo | None = None) -> Chat:
    """Read a chat or e-mail thread: JSON or CSV with role, time and text of each message.

    `call` is what the caller knows; the file's own call data fill what is left at its default.
    Messages of systems and robots, and those without text (pictures), are left out and counted
    in a gap. Raises ScriptError naming file, message and field.
    """
    file = read_chat_file(path)
    given = call or CallInfo(call_id=path.stem)
    medium = Medium(file.medium) if file.medium else Medium.EMAIL if _looks_like_mail(file.messages) else Medium.CHAT
    seconds, first = _times(file.messages)
    placed = sorted(zip(seconds, file.messages, strict=True), key=lambda pair: pair[0])
    worded = _worded(placed, medium)
    kept = [(at, words, message) for at, message, words in worded if words and message.role]
    if not kept:
        raise ScriptError(f"{path.name}: holds no message of a person with text")
    times_known = first is not None
    transcript = _transcript(kept)
    known = replace(_with_call_data(given, file, path, first), medium=medium, times_known=times_known)
    empty = sum(not words and message.role is not None for _, message, words in worded)
    return Chat(
        transcript=transcript,
        call=_with_agent(known, file.messages),
        gaps=_gaps(file, empty=empty, times_known=times_known),
    )


def _looks_like_mail(messages: Sequence[Message]) -> bool:
    return any(message.subject for message in messages)


def _times(messages: Sequence[Message]) -> tuple[list[float], MessageTime | None]:
    """Seconds from the conversation's start, in the file's order, and the earliest time; 0, 1 … without times."""
    timed = [message for message in messages if message.time is not None]
    if not timed:
        return [float(index) for index in range(len(messages))], None
    if len(timed) < len(messages):
        missing = next(message for message in messages if message.time is None)
        raise ScriptError(f"{missing.place}: time: is missing, while other messages have one")
    read = [_time(message) for message in messages]
    for message, time in zip(messages, read, strict=True):
        if time.kind is not read[0].kind:
            raise ScriptError(f"{message.place}: time: is {time.kind.value}, the first message's {read[0].kind.value}")
    seconds = in_order(read)
    if max(seconds) - min(seconds) > LONGEST_SECONDS:
        raise ScriptError(f"{messages[0].place}: time: lies more than a year from other messages")
    zero = 0.0 if read[0].kind is TimeKind.OFFSET else min(seconds)
    return _untied([at - zero for at in seconds]), min(read, key=lambda time: time.seconds)


def _time(message: Message) -> MessageTime:
    try:
        return parse_time(message.time)
    except ValueError as error:
        remedy = "Write ISO 8601 (2024-05-01T10:00:00+08:00), 10:00:05, or seconds."
        raise ScriptError(f"{message.place}: time: {error}", remedy=remedy) from None


def _untied(seconds: list[float]) -> list[float]:
    """Make messages of one time sort in the order of their writing, also in files that list the newest first."""
    newest_first = seconds[0] > seconds[-1] and all(a >= b for a, b in pairwise(seconds))
    step = -1e-9 if newest_first else 1e-9
    return [at + step * index for index, at in enumerate(seconds)]


def _worded(placed: Sequence[tuple[float, Message]], medium: Medium) -> list[tuple[float, Message, str]]:
    """Messages with the words their senders wrote; the first mail's subject stands before its text."""
    found = []
    for index, (at, message) in enumerate(placed):
        words = message.text
        if medium is Medium.EMAIL:
            words = own_words(words)
            if index == 0 and message.subject:
                words = f"{bare_subject(message.subject)}。\n{words}".strip()
        found.append((at, message, words))
    return found


def _transcript(kept: Sequence[tuple[float, str, Message]]) -> Transcript:
    starts = _starts([at for at, _, _ in kept])
    utterances = []
    for index, ((_, words, message), start_ms) in enumerate(zip(kept, starts, strict=True)):
        length_ms = min(max(MS_PER_CHARACTER * len(words), SHORTEST_MS), LONGEST_MS)
        if index + 1 < len(starts):
            length_ms = min(length_ms, starts[index + 1] - start_ms)
        role = message.role or Role.UNSURE
        utterances.append(
            Utterance(
                index=index,
                party=role.value,
                role=role,
                role_confidence=1.0,
                start_ms=start_ms,
                end_ms=start_ms + length_ms,
                text=words,
                spoken_text=words,
                original_text=message.text if message.text != words else "",
                engine=TEXT_ENGINE.name,
            )
        )
    return Transcript(utterances=tuple(utterances), engine=TEXT_ENGINE, duration_ms=utterances[-1].end_ms)


def _starts(seconds: Sequence[float]) -> list[int]:
    starts: list[int] = []
    for at in seconds:
        start_ms = max(round(at * 1000), 0)
        starts.append(max(start_ms, starts[-1] + 1) if starts else start_ms)
    return starts


def _with_call_data(given: CallInfo, file: ChatFile, path: Path, first: MessageTime | None) -> CallInfo:
    """Fill what the caller left at its default with the file's call data and the first message's date."""
    default = CallInfo(call_id=path.stem)
    data = {
        name: file.call[name]
        for name in _CALL_FIELDS
        if file.call.get(name) and getattr(given, name) == getattr(default, name)
    }
    if first is not None and first.iso and not given.started_at:
        data.setdefault("started_at", first.iso)
    extra = {name: value for name, value in file.call.items() if name not in _CALL_FIELDS and value}
    filled: CallInfo = replace(given, fields={**extra, **given.fields}, **data)  # type: ignore[arg-type]
    return filled


def _with_agent(call: CallInfo, messages: Sequence[Message]) -> CallInfo:
    if call.agent_id:
        return call
    name = next((message.name for message in messages if message.role is Role.AGENT and message.name), "")
    return replace(call, agent_id=name)


def _gaps(file: ChatFile, *, empty: int, times_known: bool) -> tuple[Gap, ...]:
    gaps = []
    robots = sum(message.role is None for message in file.messages)
    if robots:
        gaps.append(Gap(what="chat.robots", reason=f"有{robots}条系统或机器人消息，未质检。"))
    if empty:
        gaps.append(Gap(what="chat.without_text", reason=f"有{empty}条消息没有文字（图片、文件、引用），未质检。"))
    if not times_known:
        gaps.append(Gap(what="chat.times", reason="消息没有时间，报告中的时刻只表示先后顺序。"))
    return tuple(gaps)
