import json
import math
import time

import pytest
from click.testing import CliRunner

from qingting.cli.capacity import capacity as command
from qingting.errors import EngineUnavailableError, SettingsError
from qingting.speech.capacity.measure import measure
from qingting.speech.capacity.model import Workload, capacity, published, servers_for
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.testing.qwen3_stand_in import MODEL, Reply, StandIn, marked_clip, recorded_reply

PLAIN = Workload(
    agent_share=0.5, customer_share=0.5, call_minutes=1.0, hours_per_day=10.0, days_per_month=10.0, peak_factor=1.0,
    most_load=1.0, live_passes=2.0,
)  # fmt: skip


def test_the_arithmetic_on_round_numbers():
    found = capacity(100.0, PLAIN)
    assert found.simultaneous_afterwards == 100
    assert found.simultaneous_live == 50
    assert found.calls_per_month_as_they_come == 100 * 36_000 * 10 // 60
    assert found.calls_per_month_around_the_clock == 100 * 86_400 * 10 // 60


def test_the_centre_of_the_product_page_needs_one_server():
    row = published("0.6B", 32)
    assert row.throughput == 840.34
    assert servers_for(120_000, row.throughput, Workload()) == 1
    assert capacity(row.throughput, Workload()).calls_per_month_as_they_come > 120_000


def test_servers_and_capacity_agree():
    one = capacity(50.0, Workload()).calls_per_month_as_they_come
    assert servers_for(one, 50.0, Workload()) == 1
    assert servers_for(one + 10, 50.0, Workload()) == 2
    assert servers_for(10 * one, 50.0, Workload()) == 10


@pytest.mark.parametrize(("wanted", "row"), [(1, 1), (3, 2), (32, 32), (100, 64), (9999, 512)])
def test_the_next_smaller_row_counts(wanted, row):
    assert published("0.6B", wanted).in_flight == row


def test_published_figures_name_their_source():
    assert "technical report" in published("1.7B", 8).source
    with pytest.raises(SettingsError):
        published("7B", 1)
    with pytest.raises(SettingsError):
        published("0.6B", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent_share": -0.1},
        {"agent_share": 1.1},
        {"agent_share": 0.0, "customer_share": 0.0},
        {"call_minutes": 0.0},
        {"hours_per_day": 25.0},
        {"days_per_month": 32.0},
        {"peak_factor": 0.5},
        {"most_load": 0.0},
        {"live_passes": 0.5},
        {"call_minutes": math.nan},
    ],
)
def test_impossible_assumptions_are_refused(wrong):
    with pytest.raises(SettingsError):
        Workload(**wrong)


@pytest.mark.parametrize("throughput", [0.0, -1.0, math.nan, math.inf])
def test_no_throughput_no_capacity(throughput):
    with pytest.raises(ValueError, match="throughput"):
        capacity(throughput, Workload())


def slow_reply(asked):
    return Reply(status=400) if asked.clip == 3 and asked.attempt else wait(recorded_reply(asked))


def wait(reply):
    time.sleep(0.05)
    return reply


def engine_for(server):
    return Qwen3ServerEngine(Qwen3ServerSettings(urls=(server.url,), model=MODEL, attempts=1))


def test_a_measurement_counts_answers_in_flight_together():
    with StandIn(slow_reply) as server:
        engine = engine_for(server)
        found = measure(engine, [marked_clip(n) for n in range(8)], in_flight=4, rounds=2)
        engine.close()
        assert server.most_at_once <= 4
    assert (found.clips, found.failed, found.audio_seconds) == (16, 1, 30.0)
    assert found.latency_p95_seconds >= found.latency_p50_seconds >= 0.05
    assert found.throughput == pytest.approx(30.0 / found.wall_seconds)


def test_a_measurement_without_answers_is_an_error():
    with StandIn(lambda asked: Reply(status=500) if asked.attempt else recorded_reply(asked)) as server:
        engine = engine_for(server)
        with pytest.raises(EngineUnavailableError):
            measure(engine, [marked_clip(0)], in_flight=1)
        engine.close()
    with pytest.raises(ValueError, match="clips"):
        measure(engine, [], in_flight=1)


def test_the_command_prints_figures_source_and_assumptions():
    result = CliRunner().invoke(command, ["--gpus", "2", "--calls", "120000"])
    assert result.exit_code == 0, result.output
    for part in ("840.34", "technical report", "假设", "45%", "需要：1 台", "--measure"):
        assert part in result.output
    document = json.loads(CliRunner().invoke(command, ["--json", "--gpus", "2"]).output)
    assert document["capacity"]["throughput"] == pytest.approx(2 * 840.34)
    assert document["assumptions"]["peak_factor"] == 2.0


def test_the_command_measures_the_configured_server(monkeypatch, tmp_path):
    from qingting.testing.samples import sample_call

    monkeypatch.chdir(tmp_path)
    with StandIn() as server:
        monkeypatch.setenv("QINGTING_ENGINE", "qwen3-server")
        monkeypatch.setenv("QINGTING_QWEN3_SERVER__URLS", server.url)
        monkeypatch.setenv("QINGTING_QWEN3_SERVER__MODEL", MODEL)
        audio = str(sample_call("refund_late_answer").audio_path)
        arguments = ["--measure", "--audio", audio, "--in-flight", "4", "--json"]
        result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    basis = json.loads(result.output)["basis"]
    assert (basis["engine"], basis["failed"], basis["in_flight"]) == ("qwen3-server", 0, 4)
    assert basis["throughput_per_server"] > 0
