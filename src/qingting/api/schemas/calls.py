"""Calls, findings and what was found in their words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from qingting.api.schemas.common import EXAMPLE_ID, EXAMPLE_MS, Body, Page, Text64, Text128, Text256, View
from qingting.model.call import DesktopEvent, Medium, Role
from qingting.model.finding import Polarity, Standing
from qingting.model.transcript import Transcript
from qingting.service.documents import call_from_plain
from qingting.service.reading import CallDetail
from qingting.storage.calls import CallFilter, CallRow, CallState
from qingting.storage.reports import FindingFilter, FindingRow, ReportNote
from qingting.storage.search import MOST_CHARACTERS, Hit

Day = Annotated[int, Field(ge=19700101, le=21001231, examples=[20261130])]
Score = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]
_Level = Annotated[int, Field(ge=1, le=3)]
_Number = Annotated[str, Field(pattern="^([0-9]{1,18})?$")]


class _Paged(Body):
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Most items of this page."""
    cursor: _Number = ""
    """`next_cursor` of the page before; empty for the first."""


class CallConditions(Body):
    """Which calls are meant; fields that are left out do not restrict."""

    from_day: Day | None = None
    """First day, in the centre's time zone."""
    to_day: Day | None = None
    """Last day."""
    agent_id: Text128 = ""
    team: Text128 = ""
    line_of_business: Text64 = ""
    customer_reference: Text256 = ""
    state: CallState | None = None
    grade: Annotated[Text128, Field(max_length=32)] = ""
    """Grade of the scorecard, such as 优秀."""
    reason: Text128 = ""
    """Contact reason."""
    resolution: Annotated[Text128, Field(max_length=16)] = ""
    """`resolved`, `unresolved` or `unclear`."""
    medium: Medium | None = None
    min_score: Score | None = None
    max_score: Score | None = None
    worst_level: _Level | None = None
    """Calls with a counted fault of this level or worse; 1 is serious."""
    needs_review: bool | None = None
    """Whether findings wait for a person."""

    def wanted(self) -> CallFilter:
        """As the service has it."""
        given = self.model_dump(include=set(CallConditions.model_fields), exclude_none=True, mode="json")
        return CallFilter(**given)


class CallQuery(_Paged, CallConditions):
    """Which calls a list shows; fields that are left out do not restrict."""


class SearchQuery(CallQuery):
    """What is searched for in calls' words, and in which calls."""

    q: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, examples=["退款"])]
    """Words that must all be said, in any order; "…" keeps words together. Personal data is not found."""


class FindingQuery(_Paged):
    """Which findings a list shows; fields that are left out do not restrict."""

    from_day: Day | None = None
    to_day: Day | None = None
    rule_id: Text128 = ""
    dimension: Text64 = ""
    level: _Level | None = None
    """1 serious, 2 medium, 3 light."""
    polarity: Polarity | None = None
    standing: Standing | None = None
    agent_id: Text128 = ""
    team: Text128 = ""
    line_of_business: Text64 = ""

    def wanted(self) -> FindingFilter:
        """As the service has it."""
        given = self.model_dump(exclude={"limit", "cursor"}, exclude_none=True, mode="json")
        return FindingFilter(**given)


class ListedCall(View):
    """A call in lists."""

    call_id: str = Field(examples=["20261130-0042"])
    state: CallState
    """`known` came with the call records and has no recording yet."""
    line_of_business: str
    medium: Medium
    direction: str
    agent_id: str
    team: str
    customer_reference: str
    started_ms: int = Field(examples=[EXAMPLE_MS])
    """Start, or registration where the start is unknown."""
    day: int = Field(examples=[20261130])
    duration_ms: int | None
    csat: float | None
    """What the customer said in the survey, 1 to 5."""
    score: float | None
    """Null when the call is not inspected or could not be scored."""
    grade: str
    worst_level: int | None
    """Of counted faults; 1 is serious."""
    faults: int
    reviews: int
    """Findings that wait for a person."""
    reason: str
    resolution: str
    language: str

    @classmethod
    def of(cls, row: CallRow) -> ListedCall:
        """Show a call."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ListedReport(View):
    """A report in the history of its call."""

    id: str = Field(examples=[EXAMPLE_ID])
    job_id: str
    created_ms: int
    latest: bool
    pack: str = Field(examples=["ecommerce@1"])
    card: str
    score: float | None
    grade: str
    sha256: str
    """The report's seal."""

    @classmethod
    def of(cls, note: ReportNote) -> ListedReport:
        """Show a report's line."""
        return cls(**{name: getattr(note, name) for name in cls.model_fields})


class ListedRecording(View):
    """A call's newest recording."""

    sha256: str
    size_bytes: int
    created_ms: int
    deleted_ms: int | None
    """When the sound was deleted; null while it is there."""


class CallView(ListedCall):
    """One call with all that is known of it besides its words."""

    created_ms: int
    source: str
    """`api`, `batch`, `watch` or `import`."""
    fields: dict[str, str]
    """Further data of the call, personal data masked."""
    desktop_events: int | None
    """How many actions in the knowledge base are known; null when nobody recorded them."""
    reports: list[ListedReport]
    """Newest first."""
    recording: ListedRecording | None

    @classmethod
    def of_detail(cls, detail: CallDetail, masked: dict[str, str]) -> CallView:
        """Show a call; `masked` are its further data."""
        row, recording = detail.call, detail.recording
        events: tuple[DesktopEvent, ...] | None = call_from_plain(row.info).desktop_events
        shown: dict[str, Any] = {name: getattr(row, name) for name in ListedCall.model_fields}
        return cls(
            **shown,
            created_ms=row.created_ms,
            source=row.source,
            fields=masked,
            desktop_events=None if events is None else len(events),
            reports=[ListedReport.of(note) for note in detail.reports],
            recording=None
            if recording is None
            else ListedRecording(**{name: getattr(recording, name) for name in ListedRecording.model_fields}),
        )


class ListedFinding(View):
    """A finding in lists; its words and evidence stand in the report."""

    call_id: str
    finding_id: str = Field(examples=["compliance.forbidden_words#1"])
    rule_id: str
    rule_version: str
    dimension: str
    title: str
    level: int = Field(ge=1, le=3)
    polarity: Polarity
    standing: Standing
    who: Role
    points: float
    confidence: float
    start_ms: int
    """Where in the call to listen."""
    day: int
    agent_id: str
    team: str

    @classmethod
    def of(cls, row: FindingRow) -> ListedFinding:
        """Show a finding."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class SearchHit(View):
    """A call that says the words."""

    call: ListedCall
    snippets: list[str] = Field(examples=[["我想申请退款，订单号是********"]])
    """Places where it does, personal data masked."""

    @classmethod
    def of(cls, hit: Hit) -> SearchHit:
        """Show a hit."""
        return cls(call=ListedCall.of(hit.call), snippets=list(hit.snippets))


class TranscriptView(View):
    """A call's words."""

    call_id: str
    masked: bool
    """Whether personal data is hidden."""
    transcript: Transcript


class Deletion(View):
    """What was deleted."""

    calls: int
    files_left: int
    """Recordings that the store could not delete now: tried again until they are gone."""


class CallPage(Page[ListedCall]):
    """Calls, newest first."""


class FindingPage(Page[ListedFinding]):
    """Findings, newest first."""


class SearchPage(Page[SearchHit]):
    """Calls that say the words, newest first; a page may be shorter than asked for and yet not be the last."""
