"""What analyzers get from outside: made once by the composition root, shared by all calls."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qingting.analysis.analyzer import Analyzer
    from qingting.analysis.contact_history import ContactHistory


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Ports that an installation may have; an analyzer names those it takes in `Analyzer.uses`."""

    history: ContactHistory | None = None
    """The centre's memory of contacts."""

    def for_analyzer(self, kind: type[Analyzer]) -> dict[str, object]:
        """Keyword arguments for an analyzer's constructor: the tools it uses that are there.

        Raises ValueError when it uses one that does not exist.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(kind.uses) - known)
        if unknown:
            raise ValueError(f"no tool has the name {unknown[0]}; there are {', '.join(sorted(known))}")
        return {name: tool for name in kind.uses if (tool := getattr(self, name)) is not None}
