"""Analyzers are found in the folder and among entry points; broken ones stop start-up by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qingting.analysis import analyzers
from qingting.analysis.discovery import discover
from qingting.errors import DiscoveryError

GOOD = """
from typing import ClassVar
from qingting.analysis.analyzer import Analyzer, Watch


class Quiet(Watch):
    def on_utterance(self, facts):
        return ()


class Mine(Analyzer):
    id: ClassVar[str] = "{id}"
    name: ClassVar[str] = "我的"
    description: ClassVar[str] = "测试。"
    version: ClassVar[str] = "1"

    def watch(self, call, so_far):
        return Quiet()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is scanned together with the bundled analyzers."""
    monkeypatch.setattr(analyzers, "__path__", [*analyzers.__path__, str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("qingting.analysis.analyzers.zz_")]:
        del sys.modules[name]


def add(folder: Path, source: str, name: str = "zz_mine") -> None:
    (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_the_bundled_analyzers_are_found_in_order_of_id() -> None:
    ids = [kind.id for kind in discover()]
    assert ids == sorted(ids)
    assert {"keywords", "responsiveness", "compliance"} <= set(ids)


def test_a_module_dropped_into_the_folder_is_found(folder: Path) -> None:
    add(folder, GOOD.format(id="zz_mine"))
    add(folder, "raise RuntimeError('not scanned')", "_zz_helper")
    assert "zz_mine" in [kind.id for kind in discover()]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("x = 1", "holds 0 analyzers"),
        (GOOD.format(id="zz_mine") + GOOD.format(id="zz_mine").replace("Mine", "Other"), "holds 2 analyzers"),
        (GOOD.format(id="zz_other"), "expected 'zz_mine'"),
        (GOOD.format(id="zz_mine").replace('"我的"', '""'), "no `name`"),
        (GOOD.format(id="zz_mine").replace("version: ClassVar[str]", "revision: ClassVar[str]"), "no `version`"),
        (GOOD.format(id="zz_mine").replace("def watch", "def look"), "does not define watch"),
        (GOOD.format(id="zz_mine") + "    Options = int\n", "no dataclass"),
        (
            GOOD.format(id="zz_mine")
            + "    import dataclasses\n    @dataclasses.dataclass\n    class Options:\n        x: int = 1\n",
            "not frozen",
        ),
        (
            GOOD.format(id="zz_mine")
            + "    import dataclasses\n    @dataclasses.dataclass(frozen=True)\n    class Options:\n        x: int\n",
            "default options",
        ),
    ],
)
def test_broken_modules_stop_start_up_by_name(folder: Path, source: str, words: str) -> None:
    add(folder, source)
    with pytest.raises(DiscoveryError, match="zz_mine") as caught:
        discover()
    assert words in str(caught.value)
    assert caught.value.remedy


def install(site: Path, source: str, *, entry: str, value: str = "zz_package:Mine") -> None:
    (site / "zz_package.py").write_text(source, encoding="utf-8")
    info = site / "zz_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zz-package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[qingting.analyzers]\n{entry} = {value}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path, as packages are installed in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("zz_package", None)


def test_an_installed_package_is_found_by_its_entry_point(site: Path) -> None:
    install(site, GOOD.format(id="zz_installed"), entry="zz_installed")
    assert "zz_installed" in [kind.id for kind in discover()]


@pytest.mark.parametrize(
    ("source", "entry", "value", "words"),
    [
        (GOOD.format(id="keywords"), "keywords", "zz_package:Mine", "Two analyzers have the id 'keywords'"),
        (GOOD.format(id="zz_a"), "zz_b", "zz_package:Mine", "expected 'zz_b'"),
        ("import nothing_of_this_name", "zz_a", "zz_package:Mine", "cannot be imported"),
        (GOOD.format(id="zz_a"), "zz_a", "zz_package:Missing", "AttributeError"),
        (GOOD.format(id="zz_a"), "zz_a", "zz_package:Quiet", "is no Analyzer"),
    ],
)
def test_broken_entry_points_stop_start_up(site: Path, source: str, entry: str, value: str, words: str) -> None:
    install(site, source, entry=entry, value=value)
    with pytest.raises(DiscoveryError, match="zz_package") as caught:
        discover()
    assert words in str(caught.value)
