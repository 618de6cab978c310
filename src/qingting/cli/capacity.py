"""`qingting capacity`: how many calls a speech server carries."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qingting.speech.capacity.measure import Measurement
    from qingting.speech.capacity.model import Workload
    from qingting.speech.engine import Clip, SpeechEngine


@click.command()
@click.option("--model", default="0.6B", show_default=True, help="Size whose published figures are used.")
@click.option("--gpus", default=1, show_default=True, type=click.IntRange(1, 1000), help="Servers, one per GPU.")
@click.option("--in-flight", default=32, show_default=True, type=click.IntRange(1, 1024), help="Requests per server.")
@click.option("--calls", type=click.IntRange(1), help="Calls a month: tells how many servers they need.")
@click.option("--call-minutes", default=10.0, show_default=True, help="Mean length of a call.")
@click.option("--agent-share", default=0.45, show_default=True, help="Share of a call in which the agent speaks.")
@click.option("--customer-share", default=0.35, show_default=True, help="The same for the customer.")
@click.option("--hours", default=10.0, show_default=True, help="Working hours a day.")
@click.option("--days", default=30.0, show_default=True, help="Working days a month.")
@click.option("--peak", default=2.0, show_default=True, help="Busiest hour against the mean hour.")
@click.option("--load", default=0.6, show_default=True, help="Share of the throughput planned for.")
@click.option("--live-passes", default=3.0, show_default=True, help="Decodes per second of speech when live.")
@click.option("--measure", "measured", is_flag=True, help="Measure the configured engine instead.")
@click.option("--audio", "audio", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Recordings to measure with; the bundled calls without any.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def capacity(
    model: str,
    gpus: int,
    in_flight: int,
    calls: int | None,
    call_minutes: float,
    agent_share: float,
    customer_share: float,
    hours: float,
    days: float,
    peak: float,
    load: float,
    live_passes: float,
    measured: bool,  # noqa: FBT001
    audio: tuple[Path, ...],
    as_json: bool,  # noqa: FBT001
) -> None:
    """Compute how many calls a Qwen3-ASR server carries, from the published figures or from a measurement here."""
    from qingting.speech.capacity.model import Workload

    workload = Workload(
        agent_share=agent_share,
        customer_share=customer_share,
        call_minutes=call_minutes,
        hours_per_day=hours,
        days_per_month=days,
        peak_factor=peak,
        most_load=load,
        live_passes=live_passes,
    )
    result = _measured(workload, in_flight, audio) if measured else _published(workload, model, gpus, in_flight)
    if calls is not None:
        result["servers_needed"] = {"calls_per_month": calls, "servers": _needed(result, workload, calls)}
    click.echo(json.dumps(result, ensure_ascii=False, indent=2) if as_json else _table(result))


def _published(workload: Workload, model: str, gpus: int, in_flight: int) -> dict[str, Any]:
    from qingting.speech.capacity.model import capacity as carried
    from qingting.speech.capacity.model import published

    row = published(model, in_flight)
    basis = {
        "kind": "published",
        "model": f"Qwen3-ASR-{model}",
        "servers": gpus,
        "in_flight_per_server": row.in_flight,
        "throughput_per_server": row.throughput,
        "first_token_p95_ms": row.first_token_p95_ms,
        "source": row.source,
    }
    found = carried(row.throughput * gpus, workload)
    return {"basis": basis, "assumptions": dataclasses.asdict(workload), "capacity": dataclasses.asdict(found)}


def _measured(workload: Workload, in_flight: int, audio: tuple[Path, ...]) -> dict[str, Any]:
    from qingting.bootstrap import open_engine
    from qingting.settings import load_settings
    from qingting.speech.capacity.measure import measure
    from qingting.speech.capacity.model import capacity as carried

    engine = open_engine(load_settings(workers=min(in_flight, 256)))
    try:
        clips = _clips(engine, audio)
        found = measure(engine, clips, in_flight=in_flight, rounds=max(1, -(-2 * in_flight // len(clips))))
        identity = engine.identity
    finally:
        engine.close()
    basis = {"kind": "measured", "engine": identity.name, "model": identity.model, **_figures(found)}
    carries = carried(found.throughput, workload)
    return {"basis": basis, "assumptions": dataclasses.asdict(workload), "capacity": dataclasses.asdict(carries)}


def _figures(found: Measurement) -> dict[str, Any]:
    figures = {key: round(value, 3) for key, value in dataclasses.asdict(found).items()}
    return {**figures, "throughput_per_server": round(found.throughput, 2), "servers": 1}


def _clips(engine: SpeechEngine, audio: tuple[Path, ...]) -> list[Clip]:
    from qingting.audio.front_end import prepare
    from qingting.audio.options import AudioOptions
    from qingting.errors import InputError
    from qingting.speech.recognizer import Recognizer
    from qingting.testing.samples import sample_calls

    paths = audio or tuple(sample.audio_path for sample in sample_calls())
    recognizer = Recognizer(engine)
    clips = [clip for path in paths for clip in recognizer.clips(prepare(path, AudioOptions()))]
    if not clips:
        raise InputError("Nobody speaks in the recordings.", remedy="Give recordings of calls with --audio.")
    return clips


def _needed(result: dict[str, Any], workload: Workload, calls: int) -> int:
    from qingting.speech.capacity.model import servers_for

    return servers_for(calls, result["basis"]["throughput_per_server"], workload)


def _table(result: dict[str, Any]) -> str:
    basis, assumed, carries = result["basis"], result["assumptions"], result["capacity"]
    lines = [_basis_line(basis)]
    lines += [
        f"承载能力（{basis['servers']} 台，合计每秒识别 {carries['throughput']:.0f} 秒音频）",
        f"  事后质检，同时进行的通话：{carries['simultaneous_afterwards']:,} 路",
        f"  实时监听，同时进行的通话：{carries['simultaneous_live']:,} 路",
        f"  每月通话量（随到随检，忙时不积压）：{carries['calls_per_month_as_they_come']:,} 通",
        f"  每月通话量（可留到夜间，全天运行）：{carries['calls_per_month_around_the_clock']:,} 通",
    ]
    if "servers_needed" in result:
        wanted = result["servers_needed"]
        lines.append(f"  每月 {wanted['calls_per_month']:,} 通随到随检需要：{wanted['servers']} 台")
    lines += [
        "假设",
        f"  坐席说话占 {assumed['agent_share']:.0%}，客户说话占 {assumed['customer_share']:.0%}，静音不送识别",
        f"  每通 {assumed['call_minutes']:g} 分钟；每天 {assumed['hours_per_day']:g} 小时，"
        f"每月 {assumed['days_per_month']:g} 天；忙时是平均的 {assumed['peak_factor']:g} 倍",
        f"  只用 {assumed['most_load']:.0%} 的能力；实时监听时每秒语音解码 {assumed['live_passes']:g} 次",
    ]
    return "\n".join(lines)


def _basis_line(basis: dict[str, Any]) -> str:
    if basis["kind"] == "measured":
        return (
            f"依据：本机实测 {basis['engine']}（{basis['model']}），并发 {basis['in_flight']}，{basis['clips']} 段"
            f"（失败 {basis['failed']} 段），每秒识别 {basis['throughput_per_server']:g} 秒音频，"
            f"时延中位 {basis['latency_p50_seconds']:.2f} 秒、95% {basis['latency_p95_seconds']:.2f} 秒"
        )
    late = basis["first_token_p95_ms"]
    return (
        f"依据：{basis['model']} 公开数据，每台并发 {basis['in_flight_per_server']}，"
        f"每台每秒识别 {basis['throughput_per_server']:g} 秒音频"
        + (f"，首字时延 95% {late / 1000:.1f} 秒" if late else "")
        + f"\n来源：{basis['source']}（未在您的显卡上测过：请用 --measure 实测）"
    )
