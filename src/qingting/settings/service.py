"""Sections of the settings that concern the service: storage, jobs, API, people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import NoDecode


def default_data_folder() -> Path:
    """Folder of an installation's own data: $XDG_DATA_HOME/qingting/service or ~/.local/share/qingting/service."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "qingting" / "service"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _parts(value: object) -> object:
    """Environment variables hold one text."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


_Origin = Annotated[str, Field(pattern=r"^https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]
"""It becomes part of a header."""


class StorageSection(_Section):
    """Where calls, recordings and reports are kept."""

    folder: Path = Field(default_factory=default_data_folder)
    """Database and recordings, unless the two settings below name other places."""
    database_url: SecretStr = SecretStr("")
    """`postgresql://user:password@host/database`; empty is SQLite in `folder`."""
    recordings_url: str = ""
    """`file:///path` or `s3://bucket/prefix`; empty is `recordings` in `folder`."""
    s3_endpoint: str = ""
    """Address of an S3-compatible store; empty is the cloud provider's own."""
    s3_key: str = ""
    """Access key; empty takes the environment's usual credentials."""
    s3_secret: SecretStr = SecretStr("")
    """Secret of the access key."""
    pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    """Connections to PostgreSQL per process."""
    busy_timeout_seconds: Annotated[float, Field(gt=0)] = 15.0
    """Longest wait for a locked database or a free connection."""
    min_free_bytes: Annotated[int, Field(ge=0)] = 200 * 1024**2
    """No recording is accepted when less space would be left in a folder store."""


class JobSection(_Section):
    """How the service works through recordings."""

    concurrency: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """Recordings that one worker process handles at once."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Attempts before a recording is set aside."""
    retry_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Wait before the second attempt; each further wait is four times as long."""
    max_queued: Annotated[int, Field(ge=1)] = 100_000
    """Jobs that may wait; more are refused with 429."""
    poll_seconds: Annotated[float, Field(gt=0, le=10)] = 0.1
    """How often a worker looks for work."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often a worker says that it lives."""
    lost_after_seconds: Annotated[float, Field(gt=0)] = 30.0
    """A worker silent for so long is lost: others take its jobs over."""
    stop_seconds: Annotated[float, Field(ge=0)] = 30.0
    """At a graceful stop, longest wait for running jobs; they go on elsewhere or at the next start."""
    worker_id: str = ""
    """Fixed name of a worker process; empty is the machine's name. Two workers on one machine need two."""


class ApiSection(_Section):
    """The HTTP entrance."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    """Port; 0 takes a free one."""
    max_upload_bytes: Annotated[int, Field(gt=0)] = 512 * 1024**2
    """Largest recording in one upload."""
    max_batch_files: Annotated[int, Field(ge=1)] = 5000
    """Files in one batch."""
    sync_max_seconds: Annotated[float, Field(gt=0)] = 180.0
    """Longest recording for a synchronous inspection."""
    sync_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """A synchronous inspection that is not done by then answers 202 with its job."""
    sync_concurrency: Annotated[int, Field(ge=1)] = 16
    """Synchronous inspections that may wait at once; more are refused with 429."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 600
    """Requests one user or key may make; 0 is no limit."""
    sign_ins_per_minute: Annotated[int, Field(ge=0)] = 10
    """Attempts to sign in per address and per user name; 0 is no limit."""
    session_hours: Annotated[float, Field(gt=0)] = 12.0
    """How long a signed-in session lasts."""
    secure_cookies: bool = False
    """Send cookies over HTTPS only; turn it on behind TLS."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses whose X-Forwarded-For is believed, separated by commas."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Private hosts (`recorder.local`, `10.0.0.5:8080`) that URLs of recordings and webhooks may name."""
    fetch_timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Longest download of a recording."""

    _split = field_validator("trusted_proxies", "allowed_hosts", mode="before")(_parts)


class OidcSection(_Section):
    """Signing in through the organisation's own identity provider (OpenID Connect)."""

    issuer: str = ""
    """Address of the provider; empty turns it off."""
    client_id: str = ""
    """As registered with the provider."""
    client_secret: SecretStr = SecretStr("")
    """Empty for public clients (PKCE is always used)."""
    redirect_url: str = ""
    """This service's `/api/v1/auth/oidc/callback` as browsers see it."""
    role_claim: str = "qingting_role"
    """Claim that names the role."""
    team_claim: str = "qingting_teams"
    """Claim that lists the teams."""
    agent_claim: str = "qingting_agent_id"
    """Claim with the agent's staff number."""
    default_role: Annotated[str, Field(pattern="^(|agent|inspector|supervisor|manager)$")] = ""
    """Role of users whose token names none; empty refuses them."""


class PrivacySection(_Section):
    """What is masked."""

    mask: Annotated[tuple[str, ...], NoDecode] = ("id_card", "phone", "bank_card", "address", "name")
    """Kinds of personal data that are masked in text and silenced in sound."""
    names: Annotated[tuple[str, ...], NoDecode] = ()
    """Further personal names to mask."""

    _split = field_validator("mask", "names", mode="before")(_parts)


class RetentionSection(_Section):
    """How long what is kept; 0 is for ever."""

    recording_days: Annotated[int, Field(ge=0)] = 180
    """Recordings."""
    transcript_days: Annotated[int, Field(ge=0)] = 365
    """Transcripts and reports, with their findings; figures stay."""
    audit_days: Annotated[int, Field(ge=0)] = 1095
    """The audit log."""
    event_days: Annotated[int, Field(ge=1)] = 7
    """Events of job progress, and messages that arrived."""


class AlertSection(_Section):
    """Telling people at once."""

    webhook_attempts: Annotated[int, Field(ge=1, le=50)] = 12
    """Attempts before a message is set aside; the waits grow from seconds to hours."""
    webhook_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """For one attempt."""
    push: bool = True
    """Send pushes at all."""


class LiveSection(_Section):
    """Running calls."""

    processes: Annotated[int, Field(ge=0, le=64)] = 1
    """Processes that listen to running calls; 0 takes none."""
    start_early: bool = False
    """Start them with the service and not with the first call, whose first events then wait for some seconds."""
    max_calls: Annotated[int, Field(ge=1)] = 500
    """Calls that may run at once."""
    max_minutes: Annotated[float, Field(gt=0, le=1080)] = 240.0
    """A call that runs longer, or brings more sound, is ended, with a report."""
    idle_seconds: Annotated[float, Field(gt=0)] = 30.0
    """A connection that brings nothing for so long counts as lost."""
    resume_seconds: Annotated[float, Field(ge=0)] = 60.0
    """So long a lost connection may be resumed; then the call ends, with a report."""
    last_words_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Longest wait for the recogniser after a call's end; then its recording is inspected as a job."""
    stall_seconds: Annotated[float, Field(gt=0)] = 20.0
    """A listening process that gives no sign of life for so long is ended and started again."""
    audiosocket_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port for Asterisk's AudioSocket on `api.host`; 0 is none."""
    audiosocket_senders: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")
    """Addresses or networks that may connect to it."""
    embed_origins: Annotated[tuple[_Origin, ...], NoDecode] = ()
    """Other sites (`https://crm.example.com`, `https://*.example.com`) that may show the live pages in a frame."""

    _split = field_validator("audiosocket_senders", "embed_origins", mode="before")(_parts)


class WatchSection(_Section):
    """A folder from which recordings are taken as they appear."""

    folder: Path | None = None
    """The folder; None watches nothing."""
    line_of_business: str = "general"
    """Of recordings without call data of their own."""
    settle_seconds: Annotated[float, Field(ge=0)] = 3.0
    """A file must not have changed for so long before it is taken."""
    poll_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often the folder is looked at."""
    after: Annotated[str, Field(pattern="^(move|delete|leave)$")] = "move"
    """What becomes of a taken file: `move` to `done/`, `delete`, or `leave`."""


class TelemetrySection(_Section):
    """Logs and traces."""

    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    """`json`: one object a line."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Least severity that is written."""
    otlp_endpoint: str = ""
    """Address of an OpenTelemetry collector (HTTP); empty sends no traces. Needs the extra `telemetry`."""
