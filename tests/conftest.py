"""Every test belongs to a group by cost; a test outside the groups is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Time limits per example would test the machine, not the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GROUPS = {"unit", "contract", "integration", "end_to_end", "architecture"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests outside the groups, and run the long ones first."""
    here = Path(__file__).parent
    for item in items:
        group = item.path.relative_to(here).parts[0]
        if group not in GROUPS:
            raise pytest.UsageError(f"{item.nodeid} is in no group; groups are {sorted(GROUPS)}")
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in {"end_to_end", "integration"})
