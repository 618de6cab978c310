"""Every test belongs to a group by cost; a test outside the groups is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from qingting.speech.qwen3_weights import missing_libraries
from qingting.testing.tiny_qwen3 import TinyQwen3, tiny_qwen3

# Time limits per example would test the machine, not the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GROUPS = {"unit", "contract", "integration", "end_to_end", "architecture", "vllm"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests outside the groups, and run the long ones first."""
    here = Path(__file__).parent
    for item in items:
        group = item.path.relative_to(here).parts[0]
        if group not in GROUPS:
            raise pytest.UsageError(f"{item.nodeid} is in no group; groups are {sorted(GROUPS)}")
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in {"end_to_end", "integration"})


@pytest.fixture(scope="session")
def qwen_libraries() -> None:
    """Torch and Transformers; without them the test is skipped, but never in continuous integration."""
    missing = missing_libraries()
    if missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing


@pytest.fixture(scope="session")
def tiny(qwen_libraries: None) -> TinyQwen3:
    """The tiny Qwen3-ASR, made once per change of its code."""
    return tiny_qwen3(Path(__file__).parents[1] / ".cache")
