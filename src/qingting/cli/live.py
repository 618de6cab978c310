"""`qingting live`: a recording as a running call, its events as they happen."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.live.session import LiveFormat
    from qingting.model.call import CallInfo
    from qingting.model.live_event import LiveEvent
    from qingting.model.report import Report
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine

_MOODS = {"positive": "积极", "calm": "平静", "negative": "不满", "angry": "愤怒"}
_PLACES = {"left": "左", "right": "右", "mono": "混"}
_MIXED = "双方混在一个声道，通话进行时分不清是谁在说；报告由通话结束后的录音质检得出，正在质检录音……"


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--line-of-business", default="general", show_default=True, metavar="ID", help="Pack and scorecard.")
@click.option(
    "--agent-channel",
    type=click.Choice(["left", "right"]),
    help="Which channel of a two-channel recording is the agent.",
)
@click.option("--realtime", is_flag=True, help="At the pace of speech [default: as fast as recognition goes].")
@click.option("--speed", type=click.FloatRange(min=0.1, max=100), help="So many times the pace of speech.")
@click.option("--engine", metavar="NAME", help="Speech engine [default: auto].")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: events, then the report.")
def live(file: Path, **options: Any) -> None:
    """Inspect a recording as if the call were running, and print what is told when.

    Two channels carry one party each. In a mixed recording nobody can be told apart while it runs: its report is
    that of the recording, inspected after the call's end.
    """
    from qingting.bootstrap import open_engine, open_reader
    from qingting.live.session import LiveFormat
    from qingting.model.call import AgentChannel, CallInfo, Role
    from qingting.settings import load_settings

    settings = load_settings(**({"engine": options["engine"]} if options["engine"] else {}))
    with open_reader(settings) as read:
        rate_hertz, pcm = read(file)
    channel = options["agent_channel"]
    roles = () if channel is None else (Role.AGENT, Role.CUSTOMER) if channel == "left" else (Role.CUSTOMER, Role.AGENT)
    form = LiveFormat(rate_hertz=rate_hertz, channels=pcm.shape[0], roles=roles if pcm.shape[0] == 2 else ())
    call = CallInfo(
        call_id=file.stem,
        line_of_business=options["line_of_business"],
        agent_channel=AgentChannel(channel or "auto"),
    )
    speed, as_json = options["speed"] or (1.0 if options["realtime"] else None), options["as_json"]
    with closing(open_engine(settings)) as engine:
        report, seconds = _play(settings, engine, call, form, pcm, speed=speed, as_json=as_json)
        if form.report_needs_recording:
            if not as_json:
                click.echo(_MIXED)
            report, more = _inspect_recording(settings, engine, file, call)
            seconds += more
    _print_report(report, seconds, as_json=as_json)


def _play(
    settings: Settings,
    engine: SpeechEngine,
    call: CallInfo,
    form: LiveFormat,
    pcm: NDArray[np.int16],
    *,
    speed: float | None,
    as_json: bool,
) -> tuple[Report, float]:
    """Print what the running call tells; returns its report, and the seconds from its end to that."""
    from qingting.bootstrap.live import open_live
    from qingting.live.playback import Playback

    with open_live(settings, engine=engine) as inspector:
        assist = inspector.assist(call, form)
        playback = Playback(
            lambda wake: inspector.open(call, form, wake=wake), pcm, form.rate_hertz, assist=assist, speed=speed
        )
        for event in playback.events(None):
            click.echo(_as_json(event) if as_json else _as_line(event), nl=as_json)
        return playback.report, playback.report_seconds


def _inspect_recording(settings: Settings, engine: SpeechEngine, file: Path, call: CallInfo) -> tuple[Report, float]:
    """Inspect the recording as a job of the service would; returns its report and the seconds it took."""
    from qingting.bootstrap import open_inspector

    began = time.monotonic()
    with open_inspector(settings, engine=engine) as inspector:
        return inspector.inspect(file, call).report, time.monotonic() - began


def _print_report(report: Report, seconds: float, *, as_json: bool) -> None:
    from rich.console import Console

    from qingting.report.formats.json import to_plain
    from qingting.report.formats.terminal import render_terminal

    if as_json:
        plain = {"kind": "Report", "seconds_after_end": round(seconds, 3), "report": to_plain(report)}
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    console = Console()
    console.print(render_terminal(report))
    console.print(f"通话结束后 {seconds:.2f} 秒出报告", style="dim")


def _as_json(event: LiveEvent) -> str:
    return json.dumps({"kind": type(event).__name__, **asdict(event)}, ensure_ascii=False, default=str)


def _as_line(event: LiveEvent) -> str:
    """One line in Chinese, with the call time at which it was told; empty for what only programs need."""
    from qingting.model.live_event import (
        AssistHint,
        EmotionChanged,
        FinalUtterance,
        FindingRaised,
        PartialText,
        RiskRaised,
    )
    from qingting.report.formats.html_view import clean
    from qingting.report.wording import clock

    at = clock(event.at_ms)
    match event:
        case PartialText():
            return (
                f"{at}  … {_PLACES.get(event.party, event.party)} {clean(event.stable_text)}|{clean(event.tail_text)}\n"
            )
        case FinalUtterance():
            who = event.utterance.role.chinese
            return f"{at}  {who}（{clock(event.utterance.start_ms)}）：{clean(event.utterance.text)}\n"
        case FindingRaised():
            return f"{at}  ▲ {event.finding.level.chinese} {event.finding.title}：{clean(event.finding.explanation)}\n"
        case EmotionChanged():
            mood = _MOODS.get(event.mood, event.mood)
            return f"{at}  ♥ {event.role.chinese}情绪：{mood}（强度{event.intensity:.2f}）\n"
        case AssistHint():
            return f"{at}  ✎ 提示坐席（{event.kind.chinese}）：{clean(event.text)}\n"
        case RiskRaised():
            return f"{at}  ⚠ 高风险 {event.title}：“{clean(event.quote)}”\n"
        case _:
            return ""
