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
    from qingting.bootstrap import engine_sections
    from qingting.settings import load_settings
    from qingting.speech import catalog

    sections = engine_sections(load_settings())
    table = Table(title="语音识别引擎", title_justify="left")
    for column in ("name", "说明", "可用", "detail"):
        table.add_column(column, overflow="fold")
    for name in catalog.engine_names():
        found = catalog.availability(name, sections)
        detail = f"{found.detail} {found.remedy}".strip()
        table.add_row(name, catalog.entry(name).chinese, "是" if found.available else "否", detail)
    Console().print(table)
