"""`qingting serve` whose listening processes know the sample calls: for tests and load, without a recogniser.

    python tests/live_service.py CALL_IDS [--port N]
    python tests/live_service.py CALL_IDS --worker NAME

The second form is a worker of the same installation, whose engine knows the same calls.
CALL_IDS are ids of sample calls, joined by commas: what is said in others is silence to it. Ids after `telephone:` are
known in their 8 kHz form (testing/telephone.py), after `customer:` with the customer alone on one channel of 8 kHz.
"""

from __future__ import annotations

import signal
import sys
import threading
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

TELEPHONE, CUSTOMER = "telephone:", "customer:"


def main(arguments: list[str]) -> None:
    """Serve, or listen where `--link` is given, or work through jobs where `--worker` is."""
    call_ids = arguments[0]
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    settings = load_settings(api={"port": int(given.get("--port", "0"))})
    configure_logging(settings)
    if "--link" in given:
        run_listening(settings, int(given["--link"]), open_inspector=partial(_knowing, call_ids=call_ids))
    elif "--worker" in given:
        _work(settings, call_ids, given["--worker"])
    else:
        _serve(settings, call_ids)


def known_calls(call_ids: str) -> KnownCallsEngine:
    """Return an engine that knows sample calls; their recordings are prepared for it."""
    from qingting.audio.front_end import prepare
    from qingting.model.call import Role
    from qingting.testing.known_calls_engine import KnownCallsEngine
    from qingting.testing.samples import sample_calls
    from qingting.testing.telephone import one_side, prepared_telephone_call

    ids = call_ids.removeprefix(TELEPHONE).removeprefix(CUSTOMER)
    chosen = [one for one in sample_calls() if one.id in set(ids.split(","))]
    if call_ids.startswith(CUSTOMER):
        return KnownCallsEngine(one_side(one, Role.CUSTOMER) for one in chosen)
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


def _work(settings: Settings, call_ids: str, name: str) -> None:
    from qingting.bootstrap.recordings import open_inspector
    from qingting.bootstrap.worker import run_worker

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    jobs = settings.jobs.model_copy(update={"worker_id": name})
    engine = known_calls(call_ids)
    run_worker(
        settings.model_copy(update={"jobs": jobs}), stop=stop, open_inspector=partial(open_inspector, engine=engine)
    )


def _listening(call_ids: str, link: int) -> list[str]:
    return [sys.executable, __file__, call_ids, "--link", str(link)]


@contextmanager
def _knowing(settings: Settings, *, call_ids: str) -> Iterator[LiveInspector]:
    with open_live(settings, engine=known_calls(call_ids)) as inspector:
        yield inspector


if __name__ == "__main__":
    main(sys.argv[1:])
