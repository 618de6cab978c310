"""What the pages on running the service name exists: commands, addresses, settings, metrics, columns."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families

from qingting.api.app import build_app
from qingting.api.metrics import Metrics
from qingting.cli import app
from qingting.service import operating
from qingting.service.call_record_rows import column_of
from qingting.service.center import Service
from qingting.service.desktop_rows import HEADINGS
from qingting.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
         for name in ("service", "operations", "backup", "call-records")}  # fmt: skip
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
SERVICE = Service(settings=Settings(), database=None, recordings=None)  # type: ignore[arg-type]


def commands(page: str) -> list[str]:
    blocks = "\n".join(BLOCK.findall(page)) + "\n" + "\n".join(re.findall(r"`(qingting [^`]+)`", page))
    found = re.findall(r"(?:^|[\s(/|])qingting ((?:[a-z-]+)(?: [^|>;&)\n]*)?)", blocks, re.M)
    return [one.strip() for one in found]


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    found = commands(PAGES[name])
    assert len(found) >= 2
    for written in found:
        words = [str(tmp_path) if word.startswith("/backups") else word for word in shlex.split(written)]
        command: click.Command | None = app
        while isinstance(command, click.Group):
            word, *words = words
            command = command.get_command(click.Context(command), word)
            assert command is not None, written
        assert command is not None
        command.make_context(word, words)


@pytest.mark.parametrize("name", PAGES)
def test_addresses_exist(name: str) -> None:
    known = {re.sub(r"\{\w+\}", "{}", path) for path in build_app(SERVICE).openapi()["paths"]}
    written = re.findall(r"(/api/v1/[\w./{}$-]+|/healthz|/readyz|/metrics)", PAGES[name])
    plain = {re.sub(r"\{\w+\}|\$\w+|\d{8}-\d{4}", "{}", one).rstrip("./") for one in written}
    # `/measures/…` stands for several.
    assert plain <= known | {"/api/v1", "/api/v1/openapi.json"}, plain - known


@pytest.mark.parametrize("name", PAGES)
def test_settings_exist(name: str) -> None:
    sections = Settings.model_fields
    page = PAGES[name]
    dotted = re.findall(r"`(\w+)\.(\w+)(?:=[^`]*)?`", page)
    variables = [one.lower().split("__") for one in re.findall(r"QINGTING_(\w+)", page)]
    named = [*dotted, *(tuple(one) for one in variables if len(one) == 2)]
    for section, field in named:
        if section in sections and field != "sqlite":
            assert field in getattr(SERVICE.settings, section).__class__.model_fields, f"{section}.{field}"
    assert {one[0] for one in variables} <= {*sections, "config"}


def test_the_example_of_settings_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = re.findall(r"^```toml\n(.*?)^```", PAGES["operations"], re.M | re.S)
    assert len(tables) == 2
    (tmp_path / "qingting.toml").write_text("\n".join(tables), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.api.trusted_proxies == ("10.0.0.4",)
    assert settings.oidc.client_id == "qingting"


def test_metrics_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    full = operating.OperatingFigures(
        database_up=True, recordings_up=True, jobs={"queued": 1}, deliveries={"dead": 1}, alerts={"open": 1},
        reports=1, report_wait_seconds={0.5: 1.0},
    )  # fmt: skip
    monkeypatch.setattr("qingting.api.metrics.operating_figures", lambda _: full)
    families = text_string_to_metric_families(Metrics(SERVICE).text().decode())
    known = {sample.name for family in families for sample in family.samples} | {"qingting_requests_total"}
    written = set(re.findall(r"`((?:qingting|process)_\w+)", PAGES["operations"])) - {"qingting_request_seconds"}
    assert len(written) > 10
    assert written <= known, written - known


def test_headings_of_the_tables_are_read_as_the_page_says() -> None:
    records, actions = PAGES["call-records"].split("## Knowledge-base actions")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", records.split("## Call records")[1], re.M)
    assert len(rows) == 9
    for column, headings in rows:
        assert {column_of(heading.strip()) for heading in headings.split(",")} == {column}
    for columns, headings in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", actions, re.M):
        names = re.findall(r"`(\w+)`", columns)
        if headings != "as above":
            known = {heading for name in names for heading in HEADINGS[name]}
            assert {one.strip() for one in re.split("[,;]", headings)} <= known
