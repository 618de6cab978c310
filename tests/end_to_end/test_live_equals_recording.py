"""Every sample call with a channel per party, over a real socket: its report is that of its recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from qingting.audio.front_end import prepare
from qingting.bootstrap import open_inspector
from qingting.client import QingtingClient
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.settings import load_settings
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.live_client import LiveClient
from qingting.testing.samples import SampleCall, sample_calls

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Centre, Sound

    from qingting.model.report import Report

pytestmark = pytest.mark.timeout(600)

TWO_CHANNELS = [one for one in sample_calls() if one.script.audio is not None and one.script.audio.channels == 2]
KNOWN = ",".join(one.id for one in TWO_CHANNELS)
SETTINGS = {"QINGTING_LIVE__START_EARLY": "true", "QINGTING_API__REQUESTS_PER_MINUTE": "0"}


class Essence(NamedTuple):
    """What must not depend on how a call came."""

    utterances: list[tuple[str, int, int, str]]
    """Party, start and end in milliseconds, text."""
    findings: list[str]
    """Ids, sorted."""
    score: float
    duration_ms: int

    @classmethod
    def of_recording(cls, report: Report) -> Essence:
        spoken = [(one.party, one.start_ms, one.end_ms, one.text) for one in report.transcript.utterances]
        findings = sorted(one.id for one in report.findings)
        return cls(spoken, findings, report.score.total, report.transcript.duration_ms)

    @classmethod
    def of_stored(cls, report: Mapping[str, Any]) -> Essence:
        said = report["transcript"]["utterances"]
        spoken = [(one["party"], one["start_ms"], one["end_ms"], one["text"]) for one in said]
        findings = sorted(one["id"] for one in report["findings"])
        return cls(spoken, findings, report["score"]["total"], report["transcript"]["duration_ms"])

    def differences(self, other: Essence) -> str:
        """What this one has and the other has not, and the other way round; empty when they are the same."""
        lines = []
        for name in self._fields:
            live, recorded = getattr(self, name), getattr(other, name)
            if live == recorded:
                continue
            if not isinstance(live, list):
                lines.append(f"{name}: running {live}, recorded {recorded}")
                continue
            lines += [f"{name}: only running: {one}" for one in live if one not in recorded]
            lines += [f"{name}: only recorded: {one}" for one in recorded if one not in live]
            lines += [f"{name}: another order"] if sorted(live) == sorted(recorded) else []
        return "\n".join(lines)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Essence]:
    """Essence of every call's recording, inspected with the engine that the listening process has."""
    engine = KnownCallsEngine((one.script, prepare(one.audio_path)) for one in TWO_CHANNELS)
    with open_inspector(load_settings(), engine=engine) as inspector:
        return {
            one.id: Essence.of_recording(inspector.inspect(one.audio_path, _known_of(one)).report)
            for one in TWO_CHANNELS
        }


def _known_of(sample: SampleCall) -> CallInfo:
    """What is known of a call beforehand; both ways know the same."""
    return replace(sample.script.call, agent_channel=AgentChannel(sample.script.party(Role.AGENT)))


def _data_of(sample: SampleCall) -> dict[str, Any]:
    """The same as a sender says it."""
    names = ("line_of_business", "agent_id", "team", "direction", "started_at", "customer_reference")
    call = sample.script.call
    return {**{name: getattr(call, name) for name in names}, "fields": dict(call.fields)}


@pytest.fixture(scope="module", params=[1, 8], ids=["real_time", "eightfold"])
def played(
    centre: Centre, sound_of_sample: Callable[[str], Sound], request: pytest.FixtureRequest
) -> dict[str, LiveClient]:
    """All calls at the same time, at a pace; what each was told."""
    callers = {one.id: centre.caller(one, f"{one.id}-{request.param}", **_data_of(one)) for one in TWO_CHANNELS}

    async def play_all() -> None:
        await asyncio.gather(
            *(one.play(sound_of_sample(name)[0], speed=request.param) for name, one in callers.items())
        )

    asyncio.run(play_all())
    return callers


@pytest.fixture(scope="module")
def reader(centre: Centre) -> Iterator[QingtingClient]:
    """One who may read what customers said."""
    with QingtingClient(centre.service.url, centre.service.new_key("inspector")) as client:
        yield client


@pytest.mark.parametrize("sample", TWO_CHANNELS, ids=lambda one: one.id)
def test_a_running_call_ends_in_the_report_of_its_recording(
    sample: SampleCall, played: dict[str, LiveClient], recorded: dict[str, Essence], reader: QingtingClient
) -> None:
    caller = played[sample.id]
    assert not caller.told("error")
    (ready,) = caller.told("report")
    report = reader.report(str(caller.call["call_id"]), reveal=True).report
    assert report is not None
    stored = Essence.of_stored(report)
    assert not stored.differences(recorded[sample.id])
    assert stored.utterances, "a call in which nothing was heard proves nothing"
    assert ready["score"] == stored.score
    assert sorted(one["finding"]["id"] for one in caller.told("finding")) == stored.findings
