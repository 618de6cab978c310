"""A scripted call: who says what when, and which findings that must give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from qingting.model.call import AgentChannel, CallInfo, DesktopEvent, Role
from qingting.model.transcript import EngineIdentity, TimedText, Transcript, Utterance

SCRIPT_ENGINE = EngineIdentity(name="script", model="script", revision="")
"""Identity of transcripts that were written and not recognised."""
ESTIMATED_MS_PER_CHARACTER = 220
"""Speaking time assumed where no times were measured (about 4.5 characters a second)."""
_UNIT = re.compile(r"[A-Za-z0-9]+|[^\W_]")
SOUND_KINDS = ("ring_back", "dial_tone", "busy_tone", "hold_music", "dtmf")
"""Telephone sounds the maker can place."""


@dataclass(frozen=True, kw_only=True)
class ScriptAudio:
    """The recording that belongs to a script, and how it is made."""

    file: str
    """File name beside the script."""
    container: str
    """Container as FFmpeg names it (`wav`, `mp3`, `amr`, `ipod`, `ogg`)."""
    codec: str
    """Codec as FFmpeg names it (`pcm_alaw`, `libmp3lame`, `amr_nb` …)."""
    sample_rate_hertz: int
    channels: int
    """2 has one party per channel, 1 has both mixed."""
    agent_channel: AgentChannel
    """Channel of the agent; AUTO with one channel."""
    bit_rate: int
    """Bits a second for lossy codecs; 0 lets the codec decide."""
    noise_dbfs: float
    """Level of the background noise, dB relative to full scale."""


@dataclass(frozen=True, kw_only=True)
class ScriptSpeaker:
    """The voice of one role; used by the maker only."""

    voice: Mapping[str, float] = field(default_factory=dict)
    """Voice name -> weight; mixed voices give new speakers."""
    speed: float = 1.0
    """Speaking speed of all its turns; 1 is the voice's own."""
    level_dbfs: float = -20.0
    """Loudness of its speech."""


@dataclass(frozen=True, kw_only=True)
class ScriptTurn:
    """One stretch of speech of one role."""

    role: Role
    text: str
    """As a transcript writes it, digits in written form."""
    spoken_text: str
    """The same with numbers as they are spoken; equals text when nothing differs."""
    gap_ms: int
    """From the latest end of all turns before to this one's start; negative overlaps."""
    speed: float
    """Factor on the speaker's speed."""
    level_db: float
    """Louder (positive) or softer than the speaker's usual level, in dB."""
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class ScriptSound:
    """A telephone sound in the silence before a turn."""

    kind: str
    """One of SOUND_KINDS."""
    before_turn: int
    """Index of the turn in whose gap it sounds."""
    offset_ms: int
    """From the gap's start."""
    duration_ms: int
    level_dbfs: float
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class ScriptDesktopEvent:
    """What the agent does in the knowledge base, placed by a turn."""

    after_turn: int
    """Index of the turn whose end it is counted from."""
    offset_ms: int
    """From that turn's end."""
    event: DesktopEvent
    """The action; its `at_ms` follows the turn's times."""


@dataclass(frozen=True, kw_only=True)
class ExpectedFinding:
    """A finding the script was written to cause."""

    rule: str
    """Rule id, `<dimension>.<rule>`."""
    who: Role
    """Whose conduct it is about."""
    turn: int | None
    """Index of the turn it shows at; None for omissions, which have no place."""
    at_ms: int | None
    """Time it shows at: given, or the turn's start; None without a place."""
    note: str
    """Chinese: what happens there."""


@dataclass(frozen=True, kw_only=True)
class RuleRemark:
    """A rule that must not fire here, or that may or may not."""

    rule: str
    turn: int | None
    """The turn that tempts; None for the whole call."""
    reason: str
    """Chinese: why it is no finding, or why both are right."""


@dataclass(frozen=True, kw_only=True)
class CallScript:
    """One scripted call: the ground truth for recognition and for analysis."""

    id: str
    title: str
    """Chinese."""
    call: CallInfo
    audio: ScriptAudio | None
    """None for scripts without a recording."""
    speakers: Mapping[Role, ScriptSpeaker]
    turns: tuple[ScriptTurn, ...]
    """In the order written; starts never decrease."""
    sounds: tuple[ScriptSound, ...]
    expected: tuple[ExpectedFinding, ...]
    """Every finding the call must give."""
    may_fire: tuple[RuleRemark, ...]
    """Rules that are right to fire and right not to (e.g. a bare 谢谢 as praise)."""
    must_not_fire: tuple[RuleRemark, ...]
    """Rules that a careless analyzer would raise."""
    faultless: bool
    """Whether no analyzer may find a fault in it."""
    duration_ms: int
    """Length of the recording."""
    measured: bool
    """True when times come from the recording, False when they are estimated."""
    audio_sha256: str
    """Digest of the recording the times were measured on; empty when not measured."""
    recipe_sha256: str
    """Digest over everything that shapes the sound; tells whether times are up to date."""
    desktop: tuple[ScriptDesktopEvent, ...] | None = None
    """The agent's actions in the knowledge base; None when the script tells of none being recorded."""

    def call_info(self) -> CallInfo:
        """Return what is known of the call before anyone listens to it."""
        if self.desktop is None:
            return self.call
        events = (replace(one.event, at_ms=self.turns[one.after_turn].end_ms + one.offset_ms) for one in self.desktop)
        return replace(self.call, desktop_events=tuple(sorted(events, key=lambda event: event.at_ms)))

    def party(self, role: Role) -> str:
        """Name of the channel or speaker that carries the role, as the audio stage names it."""
        if self.audio is not None and self.audio.channels == 2:
            left = Role.AGENT if self.audio.agent_channel is AgentChannel.LEFT else Role.CUSTOMER
            return "left" if role is left else "right"
        return "speaker_1" if role is self.turns[0].role else "speaker_2"

    def transcript(self) -> Transcript:
        """Return the words of the script as the transcript a perfect engine would give.

        Utterances are in order of start_ms, roles are certain, and each turn's characters
        are spread evenly over the turn.
        """
        by_time = sorted(self.turns, key=lambda turn: (turn.start_ms, turn.end_ms, self.party(turn.role)))
        return Transcript(
            utterances=tuple(self._utterance(index, turn) for index, turn in enumerate(by_time)),
            engine=SCRIPT_ENGINE,
            duration_ms=self.duration_ms,
        )

    def _utterance(self, index: int, turn: ScriptTurn) -> Utterance:
        return Utterance(
            index=index,
            party=self.party(turn.role),
            role=turn.role,
            role_confidence=1.0,
            start_ms=turn.start_ms,
            end_ms=turn.end_ms,
            text=turn.text,
            spoken_text=turn.spoken_text,
            characters=spread_characters(turn.text, turn.start_ms, turn.end_ms),
            language="zh",
            confidence=1.0,
            engine=SCRIPT_ENGINE.name,
        )


def spread_characters(text: str, start_ms: int, end_ms: int) -> tuple[TimedText, ...]:
    """Give every unit of `text` an equal share of the time; punctuation has no time of its own.

    A unit is a Chinese character, or a run of Latin letters and digits.
    """
    units = _UNIT.findall(text)
    edges = [start_ms + (end_ms - start_ms) * index // max(1, len(units)) for index in range(len(units) + 1)]
    return tuple(
        TimedText(text=unit, start_ms=edges[index], end_ms=edges[index + 1], confidence=1.0)
        for index, unit in enumerate(units)
    )
