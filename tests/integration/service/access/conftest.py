"""A small installation of two teams, each with a reported, a waiting and a failed call, and people of all roles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from qingting.api.app import build_app
from qingting.api.routes import events as event_routes
from qingting.api.routes import live as live_routes
from qingting.bootstrap import plans
from qingting.inspector import Heard, certain_roles, judge
from qingting.live.calls import LiveCalls, RunningCall
from qingting.live.card import Card
from qingting.live.session import LiveFormat
from qingting.live.wire import Opening, Told
from qingting.model.account import ROLE_PERMISSIONS, SYSTEM, Permission, User, UserRole
from qingting.model.audio import RecordingFormat
from qingting.model.call import CallInfo
from qingting.model.delivery import Webhook, WebhookEvent
from qingting.model.ids import new_id
from qingting.model.live_event import AssistHint, HintKind
from qingting.model.transcript import Transcript
from qingting.service import accounts, alert_policies, alerting, archive, assist_feedback, intake
from qingting.service.accounts import NewKey
from qingting.service.batches import BatchDefaults, BatchIntake, accepted_jobs
from qingting.service.center import Service
from qingting.service.credentials import digest
from qingting.service.intake import Submission
from qingting.service.signing_in import open_session
from qingting.settings import Settings
from qingting.storage import calls, sessions, webhooks
from qingting.storage.alerts import AlertFilter
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.storage.tables import api_keys as keys_table
from qingting.storage.tables import deliveries as deliveries_table
from qingting.storage.tables import jobs as jobs_table
from qingting.storage.upgrading import upgrade
from qingting.testing import sample_call

PHONE = "13812345678"
"""Said in both calls: no answer holds it unless it was asked to be revealed."""
CHAT = json.dumps([{"role": "agent", "text": "您好"}, {"role": "customer", "text": "你好"}]).encode()
PROOF = {"X-Qingting-Request": "1"}


@dataclass(frozen=True, kw_only=True)
class Side:
    """A team with its calls."""

    team: str
    agent: str
    customer: str
    words: str
    """Said in its calls only."""
    done: str = ""
    """Call with a report."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """`done`, `queued`, `failed` (jobs), `batch`, `alert`, `webhook`, `delivery`."""

    def marks(self) -> tuple[str, ...]:
        """What nobody of another team may see."""
        return (self.team, self.agent, self.customer, self.words, self.done, *self.ids.values())


EAST = Side(team="华东", agent="agent-east", customer="customer-east", words="东风密语")
SOUTH = Side(team="华南", agent="agent-south", customer="customer-south", words="南山密语")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody or something that makes requests."""

    name: str
    permissions: frozenset[Permission]
    narrow: bool
    """Sees the east team only."""
    headers: Mapping[str, str]
    is_key: bool = False


class Centre:
    """A small installation on disk, of which every test works on a copy."""

    phone = PHONE
    chat = CHAT

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service = self.open(folder / "seed")
        upgrade(self.service.database)
        alert_policies.ensure_default_policies(self.service)
        self.admin = self._user("admin-0", UserRole.ADMIN)
        self.east, self.south = (self._side(side) for side in (EAST, SOUTH))
        self.people = {role: self._person(role) for role in UserRole}
        self.strangers = dict(self._strangers())
        self.shared = {
            "user_id": self._user("somebody", UserRole.SUPERVISOR, teams=("华北",)).id,
            "key_id": accounts.add_key(
                self.service, SYSTEM, NewKey(name="some key", role=UserRole.INTEGRATOR, scopes=frozenset())
            )[0].id,
        }
        self._copies = 0

    def open(self, folder: Path) -> Service:
        store = RecordingStore.open((folder / "recordings").as_uri())
        settings = Settings(
            api={"requests_per_minute": 0, "sign_ins_per_minute": 0, "sync_timeout_seconds": 0.05}  # type: ignore[arg-type]
        )
        database = Database.open(f"sqlite:///{folder / 'qingting.sqlite'}")
        return Service(settings=settings, database=database, recordings=store)

    @contextmanager
    def copy(self) -> Iterator[Service]:
        """A copy that requests may change."""
        self._copies += 1
        target = self.folder / f"copy-{self._copies}"
        self.service.database.close()
        shutil.copytree(self.folder / "seed", target)
        service = self.open(target)
        yield service
        service.database.close()
        shutil.rmtree(target)

    def key(self, role: UserRole, scopes: frozenset[Permission], *, teams: tuple[str, ...] = ("华东",)) -> Person:
        wanted = NewKey(name="key", role=role, scopes=scopes, teams=teams)
        _, secret = accounts.add_key(self.service, self.admin.actor(), wanted)
        headers = {"Authorization": f"Bearer {secret}"}
        return Person(name=f"key of {role.value}", permissions=scopes, narrow=bool(teams), headers=headers, is_key=True)

    def _strangers(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Credentials that are worth nothing, any more or at all."""
        everything = ROLE_PERMISSIONS[UserRole.ADMIN]
        former = self._user("former", UserRole.ADMIN)
        yield "session of a disabled user", self.session(former)
        wanted = NewKey(name="key", role=UserRole.ADMIN, scopes=everything)
        keys = {
            name: accounts.add_key(self.service, maker.actor(), wanted)
            for name, maker in (("orphaned", former), ("revoked", self.admin), ("expired", self.admin))
        }
        accounts.change_user(self.service, SYSTEM, former.id, {"disabled": True})
        accounts.revoke_key(self.service, SYSTEM, keys["revoked"][0].id)
        with self.service.database.write() as connection:
            of_expired = keys_table.c.id == keys["expired"][0].id
            connection.execute(update(keys_table).where(of_expired).values(expires_ms=1))
            token = "5" * 64
            sessions.add(connection, token_sha256=digest(token), user_id=self.admin.id, created_ms=0, expires_ms=1)
        yield "expired session", {"Cookie": f"qingting_session={token}", **PROOF}
        yield "unknown session", {"Cookie": f"qingting_session={'6' * 64}", **PROOF}
        for name, (_, secret) in keys.items():
            yield f"{name} key", {"Authorization": f"Bearer {secret}"}
        good = accounts.add_key(self.service, self.admin.actor(), wanted)[0]
        yield "wrong secret", {"X-API-Key": f"qt_{good.id}_{'0' * 64}"}
        yield "nothing", {}

    def session(self, user: User) -> dict[str, str]:
        with self.service.database.write() as connection:
            token = open_session(self.service, connection, user, address="", how="test").token
        return {"Cookie": f"qingting_session={token}", **PROOF}

    def _user(self, name: str, role: UserRole, **fields: Any) -> User:
        return accounts.add_user(self.service, SYSTEM, name=name, fields={"role": role, **fields}, password=None)

    def _person(self, role: UserRole) -> Person:
        narrow = role in {UserRole.AGENT, UserRole.INSPECTOR, UserRole.SUPERVISOR}
        fields = {"agent_id": EAST.agent} if role is UserRole.AGENT else {"teams": (EAST.team,) if narrow else ()}
        user = self._user(role.value, role, **fields)
        return Person(name=role.value, permissions=ROLE_PERMISSIONS[role], narrow=narrow, headers=self.session(user))

    def _side(self, side: Side) -> Side:
        hook = Webhook(
            id=new_id(), url="https://93.184.216.34/hook", secret="whsec_c2VjcmV0", teams=(side.team,), created_ms=1,
            created_by="x", events=(WebhookEvent.JOB_DONE,),
        )  # fmt: skip
        with self.service.database.write() as connection:
            webhooks.add(connection, hook)
        done, done_job = self._reported(side)
        queued_job, batch = self._waiting(side, "queued")
        failed_job, _ = self._waiting(side, "failed")
        alerts = alerting.list_alerts(self.service, SYSTEM, wanted=AlertFilter(team=side.team), limit=1).items
        with self.service.database.write() as connection:
            values = {"state": "failed", "error_code": "engine", "error_cause": "x", "finished_ms": 1}
            connection.execute(update(jobs_table).where(jobs_table.c.id == failed_job).values(values))
            made = connection.execute(
                update(deliveries_table)
                .where(deliveries_table.c.target == hook.id)
                .values(state="dead")
                .returning(deliveries_table.c.id)
            ).scalar_one()
        ids = {
            "done": done_job, "queued": queued_job, "failed": failed_job, "batch": batch, "alert": alerts[0].id,
            "webhook": hook.id, "delivery": made,
        }  # fmt: skip
        return replace(side, done=done, ids=ids)

    def _call(self, side: Side, name: str) -> CallInfo:
        return CallInfo(
            call_id=f"{side.agent}-{name}", agent_id=side.agent, team=side.team, customer_reference=side.customer,
            line_of_business="general",
        )  # fmt: skip

    def _reported(self, side: Side) -> tuple[str, str]:
        sample = sample_call("rude_agent")
        given = Submission(call=self._call(side, "done"), file=sample.audio_path, file_name="a.mp3")
        job = intake.submit(self.service, SYSTEM, given).job
        with self.service.database.read() as connection:
            [row] = calls.page(connection, reach=SYSTEM.reach, wanted=calls.CallFilter(team=side.team), limit=9).items
            sha256 = connection.exec_driver_sql(f"SELECT sha256 FROM recordings WHERE call = {row.id}").scalar_one()
        transcript = marked(sample.transcript(), f"{side.words}，我的电话是{PHONE}。")
        form = RecordingFormat(
            container="mp3", codec="mp3", sample_rate_hertz=16000, channels=2, duration_ms=transcript.duration_ms,
            size_bytes=sample.audio_path.stat().st_size, sha256=sha256,
        )  # fmt: skip
        heard = Heard(call=given.call, recording=form, roles=certain_roles(transcript), transcript=transcript)
        plan = plans(self.service.settings)("general")
        report = judge(call=heard.call, roles=heard.roles, transcript=transcript, plan=plan, recording=form)
        archive.save_transcript(self.service, job.id, heard)
        assert archive.store_report(self.service, job.id, heard, report)
        hint = AssistHint(at_ms=1000, hint_id="h1", kind=HintKind.EMPATHY, topic="mood", text="可尝试共情回应。")
        assist_feedback.shown(self.service, job.call_id, [hint])
        return job.call_id, job.id

    def _waiting(self, side: Side, name: str) -> tuple[str, str]:
        file = self.folder / "chat.json"
        file.write_bytes(CHAT)
        batch = BatchIntake(
            self.service, SYSTEM, BatchDefaults(name=f"{side.team} {name}", call=self._call(side, name))
        )
        batch.add_file(file, "chat.json")
        batch_id, _ = batch.close()
        [(job_id, _)] = accepted_jobs(self.service, SYSTEM, batch_id)
        return job_id, batch_id


def marked(transcript: Transcript, said: str) -> Transcript:
    """The transcript with other words in its second utterance."""
    first, second, *rest = transcript.utterances
    changed = replace(second, text=said, spoken_text=said, characters=())
    return replace(transcript, utterances=(first, changed, *rest))


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Centre:
    return Centre(tmp_path_factory.mktemp("centre"))


@pytest.fixture(scope="module")
def client(centre: Centre) -> Iterator[TestClient]:
    """One application for all tests; each gives it a copy of the installation."""
    with pytest.MonkeyPatch.context() as patch, centre.copy() as service:
        # Watching ends at once.
        patch.setattr(event_routes, "LONGEST_SECONDS", 0.0)
        patch.setattr(event_routes, "HEARTBEAT_SECONDS", 0.01)
        patch.setattr(live_routes, "LONGEST_SECONDS", 0.0)
        with TestClient(build_app(service), base_url="http://qingting.test", follow_redirects=False) as opened:
            for side in (centre.east, centre.south):
                _run(opened.app.state.live, side)  # type: ignore[attr-defined]
            yield opened


def _run(calls: LiveCalls, side: Side) -> None:
    """Let the side's call run, with a line on the wall."""
    form = LiveFormat(rate_hertz=8000, channels=1)
    call = CallInfo(call_id=side.done, agent_id=side.agent, team=side.team)
    opening = Opening(live_id=new_id(), call=call, form=form, begun_ms=0)
    running = RunningCall(calls, opening, SYSTEM, cast("Any", None))
    calls._by_token[running.token] = running
    card = Card(opening.live_id, call, opening.begun_ms)
    running.card(card.due(0) or "")
    running.told([Told(text=json.dumps({"type": "utterance", "text": side.words}))])
