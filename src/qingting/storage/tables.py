"""The tables, as one picture; migrations/ makes them, a contract test compares both.

calls 1─* recordings   calls 1─* transcripts 1─* reports 1─* findings        calls 1─* contacts
calls 1─* jobs *─1 batches      jobs 1─* events        calls 1─* alerts
calls 1─1 live_calls: those that run now               calls 1─* assist_feedback
users 1─* sessions     users 1─* api_keys              webhooks 1─* deliveries
measures, rule_measures *─1 rules, latency_measures: sums per day, written with each report
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only for INTEGER keys."""
Document = JSON().with_variant(JSONB, "postgresql")


def _id(length: int = 26) -> String:
    return String(length)


calls = Table(
    "calls",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("call_id", String(128), nullable=False, unique=True),
    Column("line_of_business", String(64), nullable=False),
    Column("medium", String(16), nullable=False),
    Column("direction", String(16), nullable=False, server_default=""),
    Column("agent_id", String(128), nullable=False, server_default=""),
    Column("team", String(128), nullable=False, server_default=""),
    Column("customer_reference", String(256), nullable=False, server_default=""),
    Column("started_ms", BigInteger, nullable=False),  # when it was registered, where the start is unknown
    Column("day", Integer, nullable=False),  # 20261130, in the centre's time zone
    Column("hour", SmallInteger, nullable=False),
    Column("duration_ms", BigInteger),  # by call record or recording
    Column("csat", Float),
    Column("info", Document, nullable=False),  # the whole CallInfo
    Column("source", String(16), nullable=False),  # api, batch, watch, import
    Column("created_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # known, queued, inspected, failed
    # What the latest report says, for lists and filters.
    Column("report_id", _id()),
    Column("score", Float),  # empty when the call could not be scored
    Column("grade", String(32), nullable=False, server_default=""),
    Column("worst_level", SmallInteger),  # of counted faults: 1 serious to 3 light
    Column("faults", Integer, nullable=False, server_default="0"),
    Column("reviews", Integer, nullable=False, server_default="0"),  # findings that wait for a person
    Column("reason", String(128), nullable=False, server_default=""),  # contact reason
    Column("resolution", String(16), nullable=False, server_default=""),  # resolved, unresolved, unclear
    Column("language", String(16), nullable=False, server_default=""),
    sqlite_autoincrement=True,  # the number of a deleted call is given to no other
)
Index("ix_calls_day", calls.c.day, calls.c.id)
Index("ix_calls_agent", calls.c.agent_id, calls.c.day, calls.c.id)
Index("ix_calls_team", calls.c.team, calls.c.day, calls.c.id)
Index("ix_calls_customer", calls.c.customer_reference)
Index("ix_calls_state", calls.c.state, calls.c.day, calls.c.id)

recordings = Table(
    "recordings",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("key", String(512), nullable=False),  # path in the recording store
    Column("name", String(255), nullable=False),  # a safe name with the right suffix
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False, index=True),
    Column("deleted_ms", BigInteger),  # the sound is gone, the row tells that it was there
)

discarded_files = Table(
    "discarded_files",
    metadata,
    Column("key", String(512), primary_key=True),  # of a deleted call, or of one whose acceptance was cut short
    Column("due_ms", BigInteger, nullable=False, index=True),  # the file is deleted then, and after it this row
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("job_id", _id(), nullable=False, unique=True),  # the checkpoint of its step
    Column("created_ms", BigInteger, nullable=False, index=True),
    Column("engine", String(64), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),  # compressed: recording format, roles, words, notes
)

reports = Table(
    "reports",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("job_id", _id(), nullable=False, unique=True),  # one report a job, whatever is killed
    Column("transcript_id", ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False, index=True),
    Column("latest", Boolean, nullable=False),
    Column("pack", String(128), nullable=False),
    Column("card", String(128), nullable=False),
    Column("score", Float),
    Column("grade", String(32), nullable=False, server_default=""),
    Column("sha256", String(64), nullable=False),
    Column("document", LargeBinary, nullable=False),  # compressed report without its transcript
    Column("contributions", LargeBinary, nullable=False),  # compressed: what it added to the measures
)

findings = Table(
    "findings",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("report_id", ForeignKey("reports.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("call", BigInteger, nullable=False),
    Column("finding_id", String(160), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("rule_version", String(64), nullable=False),
    Column("dimension", String(64), nullable=False),
    Column("title", String(255), nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("polarity", String(8), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("who", String(16), nullable=False),
    Column("points", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("team", String(128), nullable=False),
)
Index("ix_findings_rule", findings.c.rule_id, findings.c.day, findings.c.id)
Index("ix_findings_day", findings.c.day, findings.c.id)
Index("ix_findings_agent", findings.c.agent_id, findings.c.day, findings.c.id)
Index("ix_findings_call", findings.c.call)

contacts = Table(
    "contacts",
    metadata,
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", String(64), primary_key=True),  # of a verdict of `resolution`: delivery, goods, money …
    Column("customer_reference", String(256), nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # resolved, unresolved, unclear
)
Index("ix_contacts_matter", contacts.c.customer_reference, contacts.c.reason, contacts.c.started_ms)

batches = Table(
    "batches",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("refused", Document, nullable=False),  # files that were not accepted: name, error code, cause
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("recording_id", _id()),
    Column("batch_id", _id(), nullable=False, server_default="", index=True),
    Column("state", String(16), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("step", String(16)),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("dispatched", Boolean, nullable=False),  # handed to the job engine for this attempt
    Column("run", Integer, nullable=False, server_default="0"),  # the workflow `<id>.<run>` that has it
    Column("source_url", String(2048), nullable=False, server_default=""),
    Column("options", Document, nullable=False),
    Column("submitted_by", String(64), nullable=False),
    Column("worker_id", String(128), nullable=False, server_default=""),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("error_code", String(64), nullable=False, server_default=""),
    Column("error_cause", Text, nullable=False, server_default=""),
    Column("error_remedy", Text, nullable=False, server_default=""),
    Column("cancel_requested", Boolean, nullable=False),
)
Index("ix_jobs_waiting", jobs.c.state, jobs.c.dispatched, jobs.c.priority, jobs.c.due_ms)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # digest of the request: the same key may not mean two things
    Column("status", SmallInteger),  # empty while the first request runs
    Column("response", Document),
    Column("created_ms", BigInteger, nullable=False, index=True),
)

live_calls = Table(
    "live_calls",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("owner", String(64), nullable=False),  # the process that takes its sound
    Column("host", String(255), nullable=False),  # the machine on whose disk its sound is
    Column("actor_id", String(64), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),  # the owner's last sign of life
)
Index("ix_live_calls_host", live_calls.c.host, live_calls.c.seen_ms)

workers = Table(
    "workers",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("stopped_ms", BigInteger),
)

chores = Table(
    "chores",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("due_ms", BigInteger, nullable=False),  # one worker does it then, and sets the next time first
    Column("worker_id", String(128), nullable=False),  # who did it last
)

events = Table(
    "events",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("job_id", _id(), nullable=False, server_default=""),
    Column("batch_id", _id(), nullable=False, server_default=""),
    Column("call_id", String(128), nullable=False, server_default=""),
    Column("agent_id", String(128), nullable=False, server_default=""),
    Column("team", String(128), nullable=False, server_default=""),
    Column("data", Document, nullable=False),
    sqlite_autoincrement=True,  # who follows the log by number misses nothing after old events were forgotten
)
Index("ix_events_job", events.c.job_id, events.c.id)

users = Table(
    "users",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("display_name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("agent_id", String(128), nullable=False, server_default=""),
    Column("teams", Document, nullable=False),
    Column("contact", Document, nullable=False),
    Column("shift", String(16), nullable=False, server_default=""),
    Column("disabled", Boolean, nullable=False),
    Column("oidc_subject", String(512), nullable=False, server_default="", index=True),
    Column("password_hash", String(255)),  # empty: no password login
    Column("failed_sign_ins", Integer, nullable=False, server_default="0"),
    Column("locked_until_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("teams", Document, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("last_used_ms", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("actor_id", String(64), nullable=False, index=True),
    Column("actor_name", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(32), nullable=False, server_default=""),
    Column("object_id", String(128), nullable=False, server_default="", index=True),
    Column("address", String(64), nullable=False, server_default=""),
    Column("detail", Document, nullable=False),  # no customer words
)

alert_policies = Table(
    "alert_policies",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("document", Document, nullable=False),  # the whole AlertPolicy
    Column("updated_ms", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("policy_id", _id(), nullable=False),
    Column("policy_name", String(128), nullable=False),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("call_id", String(128), nullable=False),
    Column("finding_id", String(160), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("title", String(255), nullable=False),
    Column("team", String(128), nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("acknowledged_by", String(128), nullable=False, server_default=""),
    Column("acknowledged_ms", BigInteger),
    Column("note", Text, nullable=False, server_default=""),
    Column("escalate_at_ms", BigInteger),
    Column("escalated_ms", BigInteger),
    Column("suppressed", Integer, nullable=False, server_default="0"),
    UniqueConstraint("policy_id", "call", "finding_id"),  # an analysis repeated raises nothing twice
)
Index("ix_alerts_state", alerts.c.state, alerts.c.escalate_at_ms)
Index("ix_alerts_team", alerts.c.team, alerts.c.at_ms)
Index("ix_alerts_cool_down", alerts.c.policy_id, alerts.c.team, alerts.c.agent_id, alerts.c.at_ms)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("url", String(2048), nullable=False),
    Column("secret", String(128), nullable=False),
    Column("events", Document, nullable=False),
    Column("teams", Document, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("description", String(255), nullable=False, server_default=""),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("target", String(2048), nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", Document, nullable=False),
    Column("created_ms", BigInteger, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("dispatched", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_ms", BigInteger, nullable=False),
    Column("last_status", SmallInteger),
    Column("last_error", String(128), nullable=False, server_default=""),
    Column("delivered_ms", BigInteger),
)
Index("ix_deliveries_due", deliveries.c.state, deliveries.c.dispatched, deliveries.c.due_ms)

MEASURE_COUNTS = (
    "known", "failed", "inspected", "scored", "score_tenths", "serious", "medium", "light", "credits", "reviews",
    "review_calls", "resolved", "unresolved", "unclear", "repeated", "emotion_alerts", "emotion_calls",
    "knowledge_checks", "knowledge_mismatches", "knowledge_doubtful", "csat_count", "csat_hundredths",
    "items_judged", "items_met", "items_doubtful", "agent_speech_ms", "customer_speech_ms", "silence_ms",
    "overlap_ms", "duration_ms", "latency_count", "latency_ms",
)  # fmt: skip
"""What is summed; whole numbers, so that what is taken back leaves nothing behind."""
RULE_COUNTS = ("hits", "calls", "doubtful", "judged", "met", "tenths")


def _sum(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


measures = Table(
    "measures",
    metadata,
    Column("scope", String(8), primary_key=True),  # total, team, agent, hour, reason, line, grade: what `key` is
    Column("day", Integer, primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("team", String(128), primary_key=True),  # of the calls; empty for `total`
    *(_sum(name) for name in MEASURE_COUNTS),
    sqlite_with_rowid=False,
)

rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rule_id", String(128), nullable=False, unique=True),
    Column("title", String(255), nullable=False),  # as last seen
    Column("dimension", String(64), nullable=False),
)

rule_measures = Table(
    "rule_measures",
    metadata,
    Column("scope", String(8), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("rule", Integer, primary_key=True, autoincrement=False),  # rules.id
    Column("team", String(128), primary_key=True),
    *(_sum(name) for name in RULE_COUNTS),
    sqlite_with_rowid=False,
)
Index("ix_rule_measures_rule", rule_measures.c.scope, rule_measures.c.rule, rule_measures.c.day)

latency_measures = Table(
    "latency_measures",
    metadata,
    Column("scope", String(8), primary_key=True),  # total, team
    Column("day", Integer, primary_key=True),
    Column("team", String(128), primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),  # bounds grow by a fixed ratio
    _sum("reports"),
    sqlite_with_rowid=False,
)

assist_feedback = Table(
    "assist_feedback",
    metadata,
    Column("id", _id(), primary_key=True),
    Column("call", ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("hint_id", String(64), nullable=False),  # unique within the call
    Column("kind", String(32), nullable=False),
    Column("topic", Text, nullable=False),  # rule, checklist item, contact reason, entry; no words of the call
    Column("verdict", String(16), nullable=False),  # shown (by nobody, to the agent), useful, not_useful, dismissed
    Column("agent_id", String(128), nullable=False),  # of the call
    Column("actor_id", String(64), nullable=False),  # who says so; empty for `shown`
    Column("at_ms", BigInteger, nullable=False),
    UniqueConstraint("call", "hint_id", "actor_id"),  # said again, it replaces what was said
)
