"""`qingting serve` whose listening processes know the sample calls: for tests and load, without a recogniser.

    python tests/live_service.py CALL_IDS [--port N]

CALL_IDS are ids of sample calls, joined by commas: what is said in others is silence to it. Ids after `telephone:` are
known in their 8 kHz form (testing/telephone.py).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from qingting.bootstrap.live import open_live, open_live_calls, run_listening
from qingting.settings import Settings, load_settings
from qingting.telemetry import configure_logging

if TYPE_CHECKING:
    from qingting.live.inspector import LiveInspector
    from qingting.testing.known_calls_engine import KnownCallsEngine

TELEPHONE = "telephone:"


def main(arguments: list[str]) -> None:
    """Serve, or listen where `--link` is given."""
    call_ids = arguments[0]
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    settings = load_settings(api={"port": int(given.get("--port", "0"))})
    configure_logging(settings)
    if "--link" in given:
        run_listening(settings, int(given["--link"]), open_inspector=partial(_knowing, call_ids=call_ids))
    else:
        _serve(settings, call_ids)


def known_calls(call_ids: str) -> KnownCallsEngine:
    """Return an engine that knows sample calls; their recordings are prepared for it."""
    from qingting.audio.front_end import prepare
    from qingting.testing.known_calls_engine import KnownCallsEngine
    from qingting.testing.samples import sample_calls
    from qingting.testing.telephone import prepared_telephone_call

    ids = call_ids.removeprefix(TELEPHONE)
    chosen = [one for one in sample_calls() if one.id in set(ids.split(","))]
    if call_ids.startswith(TELEPHONE):
        return KnownCallsEngine((one.script, prepared_telephone_call(one)) for one in chosen)
    return KnownCallsEngine((one.script, prepare(one.audio_path)) for one in chosen)


def _serve(settings: Settings, call_ids: str) -> None:
    from qingting.api import serving
    from qingting.api.app import build_app
    from qingting.bootstrap.service import open_service

    with ExitStack() as stack:
        bound = stack.enter_context(serving.listen(settings.api.host, settings.api.port))
        service = stack.enter_context(open_service(settings))
        app = build_app(service)
        app.state.open_live_calls = partial(open_live_calls, command=lambda link: _listening(call_ids, link))
        # Until the server has its own handlers.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        address = serving.address_of(bound, settings.api.host)
        print_line = partial(print, f"listening on {address}", flush=True)
        serving.serve(app, bound, started=print_line, stopping=lambda: None)


def _listening(call_ids: str, link: int) -> list[str]:
    return [sys.executable, __file__, call_ids, "--link", str(link)]


@contextmanager
def _knowing(settings: Settings, *, call_ids: str) -> Iterator[LiveInspector]:
    with open_live(settings, engine=known_calls(call_ids)) as inspector:
        yield inspector


if __name__ == "__main__":
    main(sys.argv[1:])
