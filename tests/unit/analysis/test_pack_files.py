"""Paths in a pack are taken from the folder of the pack file that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack
from qingting.errors import PackError

RULES = (
    'id: own\nname: 自有\nversion: "1"\nrules:\n  - {{id: {id}, name: 规则, advice: 请改进, when: {{words: [退款]}}}}\n'
)


def pack(name: str, files: str, extends: str = "") -> str:
    base = f"extends: {extends}\n" if extends else ""
    section = f"analyzers:\n  custom_rules:\n    files: {files}\n" if files else ""
    return f'id: {name}\nname: 包\nversion: "1"\n{base}{section}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packs, with the working directory elsewhere."""
    (tmp_path / "packs" / "more").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "packs" / "own.rules.yaml").write_text(RULES.format(id="here"), encoding="utf-8")
    (tmp_path / "packs" / "more" / "own.rules.yaml").write_text(RULES.format(id="below"), encoding="utf-8")
    return tmp_path / "packs"


def rules(path: Path) -> set[str]:
    """Ids of the rules that a pack runs."""
    (analyzer,) = (one for one in build_analyzers(load_pack(path), discover()) if one.id == "custom_rules")
    return {one.rule.id for one in analyzer.compiled.rules}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ("[own.rules.yaml]", {"here"}),
        ("[./own.rules.yaml]", {"here"}),
        ("[more/own.rules.yaml, own.rules.yaml]", {"here", "below"}),
    ],
)
def test_relative_paths(folder: Path, files: str, wanted: set[str]) -> None:
    path = folder / "p.yaml"
    path.write_text(pack("p", files), encoding="utf-8")
    assert rules(path) == wanted


def test_absolute_paths_and_bundled_names_work(folder: Path) -> None:
    path = folder / "p.yaml"
    path.write_text(pack("p", f'[general, "{folder / "own.rules.yaml"}"]'), encoding="utf-8")
    assert {"here", "supervisor_request"} <= rules(path)


def test_an_inherited_path_belongs_to_the_file_that_names_it(folder: Path) -> None:
    (folder / "base.yaml").write_text(pack("base", "[more/own.rules.yaml]"), encoding="utf-8")
    (folder / "child.yaml").write_text(pack("child", "", extends="base"), encoding="utf-8")
    (folder / "other.yaml").write_text(pack("other", "[own.rules.yaml]", extends="base"), encoding="utf-8")
    assert rules(folder / "child.yaml") == {"below"}
    assert rules(folder / "other.yaml") == {"here"}


def test_the_working_directory_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "p.yaml"
    path.write_text(pack("p", "[own.rules.yaml]"), encoding="utf-8")
    monkeypatch.chdir(folder)
    loaded = load_pack(Path("p.yaml"))
    monkeypatch.chdir(folder.parent / "elsewhere")
    (analyzer,) = (one for one in build_analyzers(loaded, discover()) if one.id == "custom_rules")
    assert [one.rule.id for one in analyzer.compiled.rules] == ["here"]  # type: ignore[attr-defined]


def test_a_missing_file_is_named_with_pack_line_and_remedy(folder: Path) -> None:
    (folder.parent / "elsewhere" / "far.rules.yaml").write_text(RULES.format(id="far"), encoding="utf-8")
    path = folder / "p.yaml"
    path.write_text(pack("p", "[own.rules.yaml, far.rules.yaml]"), encoding="utf-8")
    with pytest.raises(PackError) as refused:
        rules(path)
    assert "p.yaml, line 6, field analyzers.custom_rules.files[1]" in refused.value.cause
    assert "folder of p.yaml" in refused.value.remedy
