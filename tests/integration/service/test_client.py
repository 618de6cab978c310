"""The client against a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from qingting import errors
from qingting.client import QingtingClient
from qingting.model.account import UserRole
from qingting.model.job import JobFailure
from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path


@pytest.fixture
def client(server: tuple[Api, int]) -> Iterator[QingtingClient]:
    api, port = server
    key = api.key(UserRole.INTEGRATOR)["Authorization"].split()[1]
    with QingtingClient(f"http://127.0.0.1:{port}/", key, timeout_seconds=60) as opened:
        yield opened


@pytest.fixture
def worker(server: tuple[Api, int]) -> Iterator[None]:
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            server[0].work()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("worker")
def test_a_call_waited_for_and_one_fetched_later_come_in_one_shape(client: QingtingClient) -> None:
    waited = client.inspect(RECORDING, call={"call_id": "a", "line_of_business": "ecommerce", "team": "售后组"})
    assert (waited.call_id, waited.state, waited.masked, waited.error) == ("a", "done", True, None)
    assert waited.report is not None
    job = client.submit(str(RECORDING), call={"call_id": "b"}, priority="high")
    later = client.wait(job.id, timeout_seconds=60)
    assert (later.job_id, later.state) == (job.id, "done")
    assert client.job(job.id).ended
    assert client.report("b") == later == client.result(job.id)
    assert [call["call_id"] for call in client.calls()] == ["b", "a"]
    assert [hit["call"]["call_id"] for hit in client.search("退款", team="售后组")] == ["a"]
    assert {one["call_id"] for one in client.findings()} == {"a", "b"}


@pytest.mark.usefixtures("worker")
def test_many_files_in_one_request(client: QingtingClient, tmp_path: Path) -> None:
    names = [f'{number} "quoted" 录音.mp3' for number in range(3)]
    for name in names:
        (tmp_path / name).write_bytes(RECORDING.read_bytes())
    (tmp_path / "broken.wav").write_bytes(b"")
    (tmp_path / "list.csv").write_text(f"file,call_id\n{names[0].replace(chr(34), '%22')},first\n", encoding="utf-8")
    batch = client.submit_many(
        [*(tmp_path / name for name in names), tmp_path / "broken.wav"], call_list=tmp_path / "list.csv", name="n"
    )
    assert batch.accepted == 3
    assert [one["code"] for one in batch.refused] == ["empty_audio"]
    assert "first" in {job["call_id"] for job in batch.jobs}
    for job in batch.jobs:
        assert client.wait(job["id"], timeout_seconds=60).state == "done"
    assert client.batch(batch.id).finished


def test_errors_are_those_that_the_service_raised(client: QingtingClient, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    cases = [
        (errors.EmptyAudioError, lambda: client.submit(tmp_path / "a.wav")),
        (errors.NotFoundError, lambda: client.report("a/../b?c#d")),
        (errors.InvalidRequestError, lambda: client.submit(RECORDING, call={"line_of_business": "x"})),
        (errors.ForbiddenAddressError, lambda: client.submit("http://127.0.0.1/x.wav")),
        (errors.AccessDeniedError, lambda: client.report("a", reveal=True)),
        (errors.InvalidRequestError, lambda: list(client.search("，"))),
    ]
    for kind, ask in cases:
        with pytest.raises(kind):
            ask()
    with pytest.raises(errors.InvalidRequestError, match=r"call\.line_of_business"):
        client.submit(RECORDING, call={"line_of_business": "x"})


def test_a_job_that_failed_is_a_result_with_an_error(server: tuple[Api, int], client: QingtingClient) -> None:
    job = client.submit(RECORDING)
    server[0].work(fail=JobFailure(code="broken_audio", cause="Broken.", remedy="Fetch it again."))
    found = client.wait(job.id, timeout_seconds=5)
    assert (found.state, found.report) == ("failed", None)
    assert found.error is not None
    assert found.error["type"] == "urn:qingting:problem:broken_audio"
    assert client.retry(job.id).state == "queued"
    assert client.cancel(job.id).state == "cancelled"


def test_waiting_has_an_end(client: QingtingClient) -> None:
    job = client.submit(RECORDING)
    with pytest.raises(TimeoutError):
        client.wait(job.id, timeout_seconds=0.3)


@pytest.mark.usefixtures("worker")
def test_tables_are_written_to_files(client: QingtingClient, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    client.inspect(RECORDING, call={"call_id": "a"})
    path = client.export("calls", folder / "calls.csv")
    assert "a" in path.read_text(encoding="utf-8-sig")
    with pytest.raises(errors.RequestError):
        client.export("nonsense", folder / "x.csv")
    assert {one.name for one in folder.iterdir()} == {"calls.csv"}


def test_events_come_as_they_happen_and_resume(server: tuple[Api, int], client: QingtingClient) -> None:
    seen = client.events(kind="job", after=0)
    job = client.submit(RECORDING)
    first = next(seen)
    assert (first.name, first.job_id, first.data["state"]) == ("job.queued", job.id, "queued")
    server[0].work()
    names = [next(seen).name for _ in range(2)]
    assert names == ["job.running", "job.done"]
    seen.close()
    again = client.events(job_id=job.id, after=first.id)
    assert next(again).name == "job.running"
    again.close()


class Flaky(httpx2.BaseTransport):
    """Loses connections and answers before they arrive, then lets everything pass."""

    def __init__(self, *faults: int) -> None:
        self.faults = list(faults)
        self.real = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        fault = self.faults.pop(0) if self.faults else 200
        if fault == 0:
            raise httpx2.ConnectError("no route")
        if fault in (429, 503):
            return httpx2.Response(fault, headers={"Retry-After": "7"}, json={"type": "x", "title": "wait"})
        response = self.real.handle_request(request)
        if fault == -1:
            response.read()
            response.close()
            raise httpx2.ReadError("lost on the way back")
        return response

    def close(self) -> None:
        self.real.close()


@pytest.mark.parametrize(
    ("faults", "waits"), [((0, 429, 503), [0.5, 7.0, 7.0]), ((-1, -1), [0.5, 1.0])], ids=["before", "after"]
)
def test_what_fails_on_the_way_is_sent_again_and_made_once(
    server: tuple[Api, int], faults: tuple[int, ...], waits: list[float]
) -> None:
    api, port = server
    key = api.key(UserRole.INTEGRATOR)["Authorization"].split()[1]
    slept: list[float] = []
    with QingtingClient(f"http://127.0.0.1:{port}", key, transport=Flaky(*faults)) as client:
        client._requests._sleep = slept.append
        job = client.submit(RECORDING)
    assert slept == waits
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)
    assert job.state == "queued"


def test_a_service_that_stays_away_is_said(server: tuple[Api, int]) -> None:
    slept: list[float] = []
    with QingtingClient("http://127.0.0.1:1", "k", attempts=3, transport=Flaky(0, 0, 0)) as client:
        client._requests._sleep = slept.append
        with pytest.raises(errors.UnreachableError):
            client.job("x")
    assert len(slept) == 2
    refused = QingtingClient("http://127.0.0.1:1", "k", attempts=1, transport=Flaky(503))
    with refused as client, pytest.raises(errors.QingtingError):
        client.job("x")


def test_a_wrong_key_is_said(server: tuple[Api, int]) -> None:
    with QingtingClient(f"http://127.0.0.1:{server[1]}", "qt_x_y") as client, pytest.raises(errors.NotSignedInError):
        client.job("01k5w3v0q8m2f7r4t9x1c6b3zd")
