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
    │   ├── LiveProtocolError              a running call's sender does not keep to its protocol
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
    ├── RequestError               the service cannot do what was asked
    │   ├── NotSignedInError               no valid session or API key came with the request
    │   ├── AccessDeniedError              the actor may not do this
    │   ├── NotFoundError                  no such thing, or none within the actor's reach
    │   ├── ConflictError                  it contradicts what is stored
    │   │   └── StillRunningError              the same request is being worked on
    │   ├── InvalidRequestError            a field of the request is wrong
    │   ├── UploadTooLargeError            more bytes than the settings allow
    │   ├── TooLongToWaitError             the recording is too long for a synchronous inspection
    │   ├── UnsupportedUploadError         of a kind that is not taken
    │   ├── ForbiddenAddressError          a URL that may not be called from here
    │   └── TooManyRequestsError           over a rate or a backlog limit
    ├── StorageError               database or recording store failed
    │   ├── StorageUnavailableError        it cannot be reached or is busy
    │   ├── StorageFullError               no space is left
    │   └── StorageVersionError            its tables are of another release
    ├── IdentityProviderError      the organisation's identity provider gave no usable answer
    ├── UnreachableError           the service cannot be reached (raised by its client)
    ├── FetchError                 a recording could not be downloaded from its address
    ├── DeliveryError              a message did not arrive
    │   └── TargetGoneError                its target refuses for good
    ├── LiveUnavailableError       no running call can be taken now
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


class LiveProtocolError(InputError):
    """Whoever sends a running call does not keep to the protocol; the connection is closed."""

    default_remedy = "Send what the documentation of the live interface describes."


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


class RequestError(QingtingError):
    """The service cannot do what was asked."""


class NotSignedInError(RequestError):
    """No valid session or API key came with the request."""

    default_remedy = "Sign in, or send an API key that has neither expired nor been revoked."


class AccessDeniedError(RequestError):
    """The actor's role or the key's scopes do not allow this."""

    default_remedy = "Ask an administrator for a role or key with the permission."


class NotFoundError(RequestError):
    """There is no such thing, or none within the actor's reach: the answer is the same, so that nothing leaks."""

    default_remedy = "Check the identifier."


class ConflictError(RequestError):
    """What was asked contradicts what is stored."""

    default_remedy = "Fetch the current state, then decide."


class StillRunningError(ConflictError):
    """The same request (by its idempotency key) is being worked on."""

    default_remedy = "Send it again after Retry-After; the answer will be that of the first request."
    can_retry = True
    retry_after_seconds = 2


class InvalidRequestError(RequestError):
    """A field of the request is wrong."""

    default_remedy = "Correct the named field."

    def __init__(self, cause: str, *, remedy: str | None = None, field: str = "") -> None:
        """`field` names what is wrong, as `call.line_of_business`."""
        super().__init__(cause, remedy=remedy)
        self.field = field


class UploadTooLargeError(RequestError):
    """The upload has more bytes than the settings allow."""

    default_remedy = "Send a smaller file, or raise `api.max_upload_bytes`."


class TooLongToWaitError(RequestError):
    """The recording is longer than a synchronous inspection may take."""

    default_remedy = "Submit it to POST /api/v1/jobs, which answers at once and reports later."


class UnsupportedUploadError(RequestError):
    """The upload is of a kind that is not taken."""

    default_remedy = "Send a recording (WAV, MP3, AMR, M4A, OGG, FLAC …), or a conversation as JSON or CSV."


class ForbiddenAddressError(RequestError):
    """The URL leads to an address that the service may not call: private, local, or not HTTP(S)."""

    default_remedy = "Use a public https address, or let an administrator list the host in `api.allowed_hosts`."


class TooManyRequestsError(RequestError):
    """Over a rate limit, or more work is waiting than the settings allow."""

    default_remedy = "Wait as long as Retry-After says, then send the same request again."
    can_retry = True

    def __init__(self, cause: str, *, remedy: str | None = None, retry_after_seconds: int = 10) -> None:
        super().__init__(cause, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class StorageError(QingtingError):
    """The database or the recording store failed."""


class StorageUnavailableError(StorageError):
    """The database or the recording store cannot be reached, or is too busy to answer."""

    default_remedy = "Check that it runs; the same request works when it is back. Nothing accepted is lost."
    can_retry = True


class StorageFullError(StorageError):
    """No space is left for the database or the recordings."""

    default_remedy = "Free disk space or shorten the retention; what was accepted before is kept."
    can_retry = True


class StorageVersionError(StorageError):
    """The database's tables are of another release."""

    default_remedy = "Run `qingting storage upgrade` after a backup; an older release cannot read newer tables."


class IdentityProviderError(QingtingError):
    """The organisation's identity provider gave no usable answer."""

    default_remedy = "Check `oidc.issuer` and that the provider can be reached from here; then sign in again."
    can_retry = True


class UnreachableError(QingtingError):
    """The service cannot be reached, or broke off its answer; raised by qingting.client."""

    default_remedy = "Check the address and that `qingting serve` runs."
    can_retry = True


class FetchError(QingtingError):
    """A recording could not be downloaded from its address."""

    default_remedy = "Check that the address serves the recording without signing in."
    can_retry = True


class DeliveryError(QingtingError):
    """A message did not arrive; it is sent again later."""

    can_retry = True

    def __init__(
        self, cause: str, *, remedy: str | None = None, kind: str = "failed", status: int | None = None
    ) -> None:
        """`kind` is a short name for lists (`timeout`, `status_500`), `status` the HTTP status of an answer."""
        super().__init__(cause, remedy=remedy)
        self.kind = kind
        self.status = status


class TargetGoneError(DeliveryError):
    """The target refuses for good; the message is set aside."""

    can_retry = False


class LiveUnavailableError(QingtingError):
    """No running call can be taken now: as many as may run do, or the service is about to stop."""

    default_remedy = "Record the call and submit it afterwards, or try again."
    can_retry = True


class WorkerError(QingtingError):
    """A worker process was lost."""


class WorkerCrashedError(WorkerError):
    """The worker died while it handled the recording."""

    default_remedy = "The file probably crashes a decoder; fetch it again or convert it to WAV."


class WorkerTimeoutError(WorkerError):
    """The worker did not answer in time and was ended."""

    default_remedy = "Split the recording, or raise the time limit in the settings."
