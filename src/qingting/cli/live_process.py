"""`qingting live-process`: listens to running calls for the service that starts it."""

from __future__ import annotations

import click


@click.command(hidden=True)
@click.option("--link", type=int, required=True, help="File descriptor of this end of the link.")
def live_process(link: int) -> None:
    """Listen to running calls; ends when the process at the other end of the link does."""
    from qingting.bootstrap.live import run_listening
    from qingting.settings import load_settings
    from qingting.telemetry import configure_logging, configure_tracing, stop_tracing

    settings = load_settings()
    configure_logging(settings)
    configure_tracing(settings, component="qingting-live")
    try:
        run_listening(settings, link)
    finally:
        stop_tracing()
