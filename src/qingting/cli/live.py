"""`qingting live`: a recording as a running call, its events as they happen."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qingting.model.live_event import LiveEvent

_MOODS = {"positive": "积极", "calm": "平静", "negative": "不满", "angry": "愤怒"}
_PLACES = {"left": "左", "right": "右", "mono": "混"}


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

    Two channels carry one party each; in a mixed recording nobody can be told apart while it runs.
    """
    from qingting.bootstrap import open_reader
    from qingting.bootstrap.live import open_live
    from qingting.live.playback import Playback
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
    speed = options["speed"] or (1.0 if options["realtime"] else None)
    with open_live(settings) as inspector:
        assist = inspector.assist(call, form)
        playback = Playback(
            lambda wake: inspector.open(call, form, wake=wake), pcm, rate_hertz, assist=assist, speed=speed
        )
        for event in playback.events(None):
            click.echo(_as_json(event) if options["as_json"] else _as_line(event), nl=options["as_json"])
        _print_report(playback, as_json=options["as_json"])


def _print_report(playback: Any, *, as_json: bool) -> None:
    from rich.console import Console

    from qingting.report.formats.json import to_plain
    from qingting.report.formats.terminal import render_terminal

    _, report = playback.result
    if as_json:
        plain = {"kind": "Report", "seconds_after_end": round(playback.report_seconds, 3), "report": to_plain(report)}
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    console = Console()
    console.print(render_terminal(report))
    console.print(f"通话结束后 {playback.report_seconds:.2f} 秒出报告", style="dim")


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
