"""`qingting worker`: a process that works through jobs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import click


@click.command()
@click.option("--parent", type=int, hidden=True, help="End when this process, which started the worker, ends.")
def worker(parent: int | None) -> None:
    """Work through accepted calls until told to stop (SIGTERM, Ctrl-C).

    Several workers share a PostgreSQL database; each needs a name of its own (jobs.worker_id). At a stop, running
    jobs get jobs.stop_seconds; those that take longer go on elsewhere or at the next start.
    """
    from qingting.bootstrap.worker import run_worker
    from qingting.settings import load_settings
    from qingting.telemetry import configure_logging, configure_tracing, stop_tracing

    settings = load_settings()
    configure_logging(settings)
    configure_tracing(settings, component="qingting-worker")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        from qingting.jobs.supervisor import end_with_parent

        end_with_parent(parent, stop.set)
    try:
        stopped = run_worker(settings, stop=stop)
    finally:
        stop_tracing()
    if stopped.left:
        # Threads in the middle of a recognition cannot be ended, and the interpreter would wait for them.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
