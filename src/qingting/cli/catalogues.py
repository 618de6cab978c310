"""`qingting analyzers` and `qingting engines`: what exists."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table


@click.command()
@click.option("--line-of-business", default="general", show_default=True, metavar="ID")
def analyzers(line_of_business: str) -> None:
    """List the inspection dimensions that are installed."""
    from qingting.bootstrap import plans
    from qingting.settings import load_settings

    plan = plans(load_settings())(line_of_business)
    table = Table(title=f"质检维度 · {plan.pack}", title_justify="left")
    for column in ("id", "名称", "说明", "版本", "需要录音"):
        table.add_column(column, overflow="fold")
    for analyzer in plan.analyzers:
        table.add_row(
            analyzer.id, analyzer.name, analyzer.description, analyzer.version, "是" if analyzer.needs_audio else "否"
        )
    Console().print(table)


@click.command()
def engines() -> None:
    """List the speech engines and whether each can run here."""
    from qingting.bootstrap import engine_choice, engine_states
    from qingting.settings import load_settings

    settings = load_settings()
    table = Table(title="语音识别引擎", title_justify="left")
    for column in ("name", "model", "ready", "detail"):
        table.add_column(column, overflow="fold")
    for state in engine_states(settings):
        detail = state.detail if state.ready else f"{state.detail} {state.remedy}".strip()
        table.add_row(state.name, state.model, "yes" if state.ready else "no", detail)
    Console().print(table)
    click.echo(engine_choice(settings))
