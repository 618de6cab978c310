"""A worker process whose inspector does as told (see qingting.testing.told_inspector), for tests.

Its argument is a JSON file: `settings`, and `trace`, where the inspector writes what it did.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qingting.bootstrap.worker import run_worker
from qingting.settings import Settings, load_settings
from qingting.telemetry import configure_logging
from qingting.testing.told_inspector import ToldInspector


def main(path: Path) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    settings = load_settings(**told["settings"])
    configure_logging(settings)

    @contextmanager
    def opened(_: Settings) -> Iterator[Any]:
        yield ToldInspector(Path(told["trace"]))

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if run_worker(settings, stop=stop, open_inspector=opened).left:
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
