"""Every error Qingting raises on purpose, in one tree.

    QingtingError
    ├── InputError                 the caller's data is at fault; a retry cannot help
    │   ├── AudioError
    │   │   ├── UnreadableAudioError       no regular, readable file is there
    │   │   ├── EmptyAudioError            the file has no bytes, or no sample was decoded
    │   │   ├── NotAudioError              the bytes are no recording
    │   │   ├── NoAudioTrackError          a container without any audio track
    │   │   ├── BrokenAudioError           looked like audio, but nothing usable could be decoded
    │   │   └── AudioLimitError            over a size, duration, channel or rate limit
    │   ├── ScriptError                    a conversation script or chat file is malformed
    │   ├── PackError                      a pack, lexicon or scorecard is malformed
    │   ├── ReportError                    a stored report is malformed
    │   └── DatasetError                   training data is malformed or too little
    ├── SettingsError              configuration is wrong
    │   ├── MissingExtraError              an optional dependency is not installed
    │   ├── UnknownEngineError             no engine of that name
    │   └── DiscoveryError                 an analyzer plug-in is broken or duplicate
    ├── EngineError                recognition failed
    │   ├── EngineUnavailableError         weights missing or server away
    │   ├── EngineAnswerError              the engine's answer broke its contract
    │   └── EngineTimeoutError             no answer within the time limit
    ├── TrainingError              fine-tuning could not go on
    ├── JudgeError                 a language model could not answer an inspection question
    │   ├── JudgeUnavailableError          its server is away or refused
    │   ├── JudgeAnswerError               its answer was malformed, or quoted words nobody said
    │   └── JudgeTimeoutError              no answer within the time limit
    ├── MeaningError               sentence vectors could not be made
    │   ├── MeaningUnavailableError        the embeddings server is away or refused
    │   ├── MeaningAnswerError             its answer broke the contract
    │   └── MeaningTimeoutError            no answer within the time limit
    └── WorkerError                a worker process was lost
        ├── WorkerCrashedError             it died (a decoder crash, or out of memory)
        └── WorkerTimeoutError             it did not answer in time and was ended

Each error carries its cause (`str(error)`), a `remedy`, and `can_retry`. No message
contains customer words, names or numbers: messages reach logs.
"""

from __future__ import annotations

from typing import ClassVar


class QingtingError(Exception):
    """Base of all errors raised on purpose."""

    default_remedy: ClassVar[str] = ""
    """What the reader can do about it, when the raiser gives nothing better."""
    can_retry: ClassVar[bool] = False
    """Whether the same call may succeed later without any change."""

    def __init__(self, cause: str, *, remedy: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = self.default_remedy if remedy is None else remedy

    @property
    def code(self) -> str:
        """Stable snake_case name for programs, e.g. ``not_audio`` for NotAudioError."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; the default reduction loses keyword-only arguments.
        return (_rebuild, (type(self), self.cause, self.remedy))


def _rebuild(kind: type[QingtingError], cause: str, remedy: str) -> QingtingError:
    return kind(cause, remedy=remedy)


class InputError(QingtingError):
    """The caller's data is at fault."""


class AudioError(InputError):
    """A recording cannot be used."""


class UnreadableAudioError(AudioError):
    """There is no regular file that can be read."""

    default_remedy = "Check that the file exists, is a plain file, and may be read by this user."


class EmptyAudioError(AudioError):
    """The file has no bytes, or its audio track has no samples."""

    default_remedy = "Check that the recorder finished writing the file, then submit it again."


class NotAudioError(AudioError):
    """The bytes are no recording in any known container."""

    default_remedy = (
        "Submit a WAV, MP3, AMR, M4A, OGG, FLAC, WMA or video file; for headerless PCM give the raw format."
    )


class NoAudioTrackError(AudioError):
    """The container holds no audio track."""

    default_remedy = "Export the recording with its audio track."


class BrokenAudioError(AudioError):
    """The file looked like audio, but nothing usable could be decoded from it."""

    default_remedy = "Fetch the file again from the recorder; if it fails again, the original is damaged."


class AudioLimitError(AudioError):
    """The recording is over a size, duration, channel or rate limit."""

    default_remedy = "Split the recording, or raise the limit in the settings."


class ScriptError(InputError):
    """A conversation script or chat file is malformed."""

    default_remedy = "Correct the named field; docs/reference describes the format."


class PackError(InputError):
    """A pack, lexicon or scorecard file is malformed."""

    default_remedy = "Correct the named file and field."


class ReportError(InputError):
    """A stored report is malformed or of an unknown schema version."""

    default_remedy = "Inspect the recording again to get a report of the current schema."


class DatasetError(InputError):
    """Training data is malformed, or there is too little of it."""


class SettingsError(QingtingError):
    """The configuration is wrong."""


class MissingExtraError(SettingsError):
    """An optional dependency is not installed; the remedy names the command that installs it."""


class UnknownEngineError(SettingsError):
    """No speech engine of that name exists."""

    default_remedy = "`qingting engines` lists the engines."


class DiscoveryError(SettingsError):
    """An analyzer plug-in is broken, or two share one id."""

    default_remedy = "Repair or uninstall the named plug-in."


class EngineError(QingtingError):
    """Recognition failed."""


class EngineUnavailableError(EngineError):
    """The engine cannot run now: weights are missing or its server is away."""

    default_remedy = "`qingting doctor` names what is missing and the command that mends it."
    can_retry = True


class EngineAnswerError(EngineError):
    """The engine's answer broke its contract."""


class EngineTimeoutError(EngineError):
    """The engine gave no answer within the time limit."""

    can_retry = True


class TrainingError(QingtingError):
    """Fine-tuning could not go on: the loss is no number, the device's memory is too small …"""


class JudgeError(QingtingError):
    """A language model could not answer an inspection question; the dimension counts as not inspected."""


class JudgeUnavailableError(JudgeError):
    """The language model's server is away, or refused the request."""

    default_remedy = "Check the address, the model's name and the key of the language model's server."
    can_retry = True


class JudgeAnswerError(JudgeError):
    """The answer was no JSON of the asked form, or quoted words that nobody said."""

    default_remedy = "Use a stronger model, or word the question more plainly."
    can_retry = True


class JudgeTimeoutError(JudgeError):
    """No whole answer came within the time limit."""

    default_remedy = "Raise `timeout_seconds`, or use a faster model."
    can_retry = True


class MeaningError(QingtingError):
    """Sentence vectors could not be made; what needs them is left out, everything else works."""


class MeaningUnavailableError(MeaningError):
    """The embeddings server is away, or refused the request."""

    default_remedy = "Check the address, the model's name and the key of the embeddings server."
    can_retry = True


class MeaningAnswerError(MeaningError):
    """The embeddings server's answer broke its contract."""

    default_remedy = "Use a server that speaks the OpenAI embeddings protocol, and a model that makes embeddings."


class MeaningTimeoutError(MeaningError):
    """The embeddings server gave no answer within the time limit."""

    can_retry = True


class WorkerError(QingtingError):
    """A worker process was lost."""


class WorkerCrashedError(WorkerError):
    """The worker died while it handled the recording."""

    default_remedy = "The file probably crashes a decoder; fetch it again or convert it to WAV."


class WorkerTimeoutError(WorkerError):
    """The worker did not answer in time and was ended."""

    default_remedy = "Split the recording, or raise the time limit in the settings."
