"""A pack with one of its rule files exchanged: what publishing a changed rule file would come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.rules.loading import bundled_rule_files, load_rule_file

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qingting.analysis.packs import Pack

CUSTOM_RULES = "custom_rules"
"""Id of the analyzer that follows rule files."""


def pack_with_rule_file(pack: Pack, file: str, *, instead_of: Collection[str] = ()) -> Pack:
    """Return the pack with this rule file (a path, or a bundled file's name) in place of its file of the same id.

    Files with one of the ids `instead_of` give way as well. A pack that has none of these gets the
    file added; one that has switched custom rules off gets them switched on. Raises PackError that
    names file, line, field and fix.
    """
    options = dict(pack.analyzers.get(CUSTOM_RULES, {}))
    named = options.get("files", ())
    files: Sequence[object] = named if isinstance(named, list | tuple) else ()
    giving_way = {load_rule_file(file).id, *instead_of}
    exact = file if file in bundled_rule_files() else str(Path(file).resolve())
    exchanged = [exact if load_rule_file(str(one)).id in giving_way else one for one in files]
    exchanged = list(dict.fromkeys(exchanged))
    options["files"] = exchanged if exact in exchanged else [*exchanged, exact]
    return replace(
        pack,
        analyzers={**pack.analyzers, CUSTOM_RULES: options},
        switched_off=pack.switched_off - {CUSTOM_RULES},
    )
