"""What running calls are inspected with."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qingting.bootstrap.planning import plans
from qingting.bootstrap.speech import open_engine
from qingting.live.inspector import LiveInspector
from qingting.speech.decode_desk import DecodeDesk

if TYPE_CHECKING:
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine


@contextmanager
def open_live(settings: Settings, *, engine: SpeechEngine | None = None) -> Iterator[LiveInspector]:
    """Give what opens sessions of running calls; the engine and its threads are closed afterwards.

    `engine` replaces the one that the settings choose. Raises UnknownEngineError, EngineUnavailableError or
    MissingExtraError when none can run.
    """
    chosen = engine or open_engine(settings)
    try:
        with ThreadPoolExecutor(settings.workers, thread_name_prefix="decode") as threads:
            desk = DecodeDesk(threads, slots=settings.workers)
            yield LiveInspector(engine=chosen, desk=desk, plan_for=plans(settings))
    finally:
        if engine is None:
            chosen.close()
