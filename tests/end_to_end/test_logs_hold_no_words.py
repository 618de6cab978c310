"""After a full run nothing of what people said, nor who they are, stands in logs, metrics, events or problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qingting.client import QingtingClient
from qingting.errors import QingtingError
from qingting.testing import sample_calls
from qingting.testing.service_process import ServiceProcess, service_process

pytestmark = pytest.mark.timeout(600)

CUSTOMER, AGENT, TEAM = "KH-77881234", "工号XZ9207", "保密班组"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAMPLES = 5


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    with service_process(folder, {"QINGTING_TELEMETRY__LOG_LEVEL": "debug"}) as running:
        yield running


def test_a_full_run_logs_no_customer_words(service: ServiceProcess, tmp_path: Path) -> None:
    with (
        QingtingClient(service.url, service.new_key("integrator")) as client,
        QingtingClient(service.url, service.new_key("inspector")) as inspector,
    ):
        told = use(client, inspector, tmp_path)
    service.stop()
    assert len(service.log) > SAMPLES, "nothing was logged at all"
    for text in [*service.log, *told]:
        for secret in (CUSTOMER, AGENT, TEAM, "13812345678", "王小明"):
            assert secret not in text
    # Nobody says anything but Chinese in these calls, and we log in English.
    assert [line for line in service.log if CHINESE.search(line)] == []


def use(client: QingtingClient, inspector: QingtingClient, tmp_path: Path) -> list[str]:
    """Everything that handles words: calls inspected and revealed, a broken one, a search; returns what errors said."""
    broken = tmp_path / "客户王小明13812345678.wav"
    broken.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt broken" * 20)
    said = []
    for number, sample in enumerate(sorted(sample_calls(), key=lambda one: one.script.duration_ms)[:SAMPLES]):
        call = {
            "call_id": f"c{number}",
            "line_of_business": sample.script.call.line_of_business,
            "agent_id": AGENT,
            "team": TEAM,
            "customer_reference": CUSTOMER,
            "fields": {"备注": "客户情绪激动"},
        }
        result = client.inspect(sample.audio_path, call=call)
        assert result.report is not None
        said += [one["text"] for one in result.report["transcript"]["utterances"]]
        inspector.report(f"c{number}", reveal=True)
    with pytest.raises(QingtingError) as problem:
        client.inspect(broken, call={"call_id": "broken", "customer_reference": CUSTOMER})
    list(client.search("退款"))
    assert len("".join(said)) > 300
    return [str(problem.value), problem.value.remedy]
