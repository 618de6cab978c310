"""Which compliance items a call had to carry out, so that rates can say of how many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qingting.analysis.packs import FOLDER as PACK_FOLDER
from qingting.analysis.packs import load_pack
from qingting.errors import PackError
from qingting.model.call import Medium, Role

if TYPE_CHECKING:
    from pathlib import Path

    from qingting.model.report import Report


def inspected_items(report: Report, pack_folder: Path | None) -> list[tuple[str, str, bool]]:
    """Compliance items that applied and were inspected: rule id, Chinese name, whether they seem carried out.

    Those that must be said stand in the report's own summary; those that must not be said apply wherever
    the dimension was inspected and the agent spoke, and are known from the report's pack. A scorecard item
    of the same id that does not apply to the call excuses either.
    """
    if not report.score.valid:
        return []
    items = _pack_items(report.provenance.pack, pack_folder)
    summary = next((f for f in report.findings if f.rule_id == "compliance.execution"), None)
    excused = {line.item for line in report.score.lines if not line.applicable}
    states = {} if summary is None else {k: v for k, v in summary.facts.items() if v in ("done", "omitted")}
    found = [
        (f"compliance.{item_id}", items[item_id].name if item_id in items else item_id, state == "done")
        for item_id, state in states.items()
    ]
    if _compliance_inspected(report):
        forbidden = (item for item in items.values() if item.forbidden and report.call.medium in item.media)
        found += [(f"compliance.{item.id}", item.name, True) for item in forbidden]
    return [item for item in found if item[0].removeprefix("compliance.") not in excused]


def _compliance_inspected(report: Report) -> bool:
    ran = "compliance" in report.provenance.analyzers and all(f.analyzer != "compliance" for f in report.failures)
    skipped = any(gap.what == "analyzer:compliance" for gap in report.gaps)
    spoke = any(u.role is Role.AGENT and u.text.strip() for u in report.transcript.utterances)
    return ran and not skipped and spoke


@dataclass(frozen=True, kw_only=True)
class _PackItem:
    id: str
    name: str
    forbidden: bool
    media: tuple[Medium, ...]


@lru_cache(maxsize=64)
def _pack_items(label: str, folder: Path | None) -> Mapping[str, _PackItem]:
    """Compliance items of a pack by id; none when no pack of that version is at hand."""
    try:
        pack = load_pack(label.partition("@")[0], folder=folder or PACK_FOLDER)
        options = pack.analyzers.get("compliance", {}).get("items", ()) if pack.label == label else ()
        return {item.id: item for item in map(_pack_item, options)} if isinstance(options, Iterable) else {}
    except (PackError, KeyError, TypeError, ValueError):
        # A pack that was broken since must not keep reports from being stored.
        return {}


def _pack_item(option: Mapping[str, Any]) -> _PackItem:
    return _PackItem(
        id=option["id"],
        name=option["name"],
        forbidden=option.get("kind") == "must_not_say",
        media=tuple(Medium(one) for one in option.get("media", Medium)),
    )
