"""`qingting serve`: the service in one command, HTTP entrance and worker."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from qingting.errors import MissingExtraError

if TYPE_CHECKING:
    from types import FrameType

    from qingting.service.center import Service
    from qingting.settings import Settings


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--no-worker", is_flag=True, help="Only accept and answer; workers run elsewhere (`qingting worker`).")
def serve(host: str | None, port: int | None, *, no_worker: bool) -> None:
    """Run the service: accept calls, inspect them, answer and tell. Stops on SIGTERM or Ctrl-C."""
    from qingting.settings import load_settings
    from qingting.telemetry import configure_logging, configure_tracing, stop_tracing

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(api=given) if given else load_settings()
    configure_logging(settings)
    configure_tracing(settings, component="qingting-api")
    ending = _Ending()
    try:
        _run(settings, ending, with_worker=not no_worker)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"The service needs the package {error.name}.", remedy="pip install 'qingting[serve,embedded]'"
        ) from None
    finally:
        stop_tracing()


class _Ending:
    """Notes that the process shall end: the server has its own handlers, but only while it runs."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _: int, __: FrameType | None) -> None:
        self.asked = True


def _run(settings: Settings, ending: _Ending, *, with_worker: bool) -> None:
    from qingting.api import serving
    from qingting.api.app import build_app
    from qingting.bootstrap.service import open_service
    from qingting.jobs.supervisor import Supervisor, worker_command

    with ExitStack() as stack:
        bound = stack.enter_context(serving.listen(settings.api.host, settings.api.port))
        service = stack.enter_context(open_service(settings))
        _explain_first_start(service)
        supervisor = Supervisor(worker_command(), stop_seconds=settings.jobs.stop_seconds)
        if with_worker:
            stack.enter_context(supervisor)
        if ending.asked:
            return
        address = serving.address_of(bound, settings.api.host)
        serving.serve(
            build_app(service),
            bound,
            started=lambda: click.echo(f"listening on {address}"),
            stopping=supervisor.ask_to_stop,
        )


def _explain_first_start(service: Service) -> None:
    from qingting.storage import users

    with service.database.read() as connection:
        some = users.count(connection)
    if not some:
        click.echo("No user can sign in yet. Make the first one: qingting users add NAME --role admin")
