"""What agents in running calls are assisted with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qingting.analysis.packs import FOLDER, load_pack
from qingting.live.assist.assistant import Assistants
from qingting.live.assist.book import read_hints

if TYPE_CHECKING:
    from qingting.inspector import Plan
    from qingting.live.assist.book import HintBook
    from qingting.settings import Settings


def assistants(settings: Settings, plan_for: Callable[[str], Plan]) -> Assistants:
    """Return what opens the assistant of a call, with the hints of the call's pack."""

    def book_for(line_of_business: str) -> HintBook:
        return read_hints(load_pack(line_of_business, folder=settings.pack_folder or FOLDER))

    return Assistants(plan_for, book_for)
