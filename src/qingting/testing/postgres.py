"""A throw-away PostgreSQL server, for tests and benchmarks."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qingting.errors import SettingsError

_USER = "qingting"
_FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
"""For tests: what the server has written survives its own end, which is all that they kill."""
_SETTINGS = ("shared_buffers=128MB", "max_connections=200", "listen_addresses=127.0.0.1", "log_min_messages=fatal")


def server_programs() -> Path | None:
    """Folder of `initdb` and `postgres`; None where no server is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@dataclass
class PostgresServer:
    """A running server in a folder of its own."""

    folder: Path
    port: int
    programs: Path
    as_user: str | None
    """The server refuses to run as root; then this user runs it."""
    durable: bool = True
    """Whether data must survive a crash of the machine too."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = _SETTINGS if self.durable else (*_SETTINGS, *_FORGETFUL)
        arguments = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        arguments += ["-k", str(self.folder), *(f"-c{setting}" for setting in settings)]
        self.process = subprocess.Popen(  # noqa: S603  the server's own programs
            arguments, user=self.as_user, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            ready = self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), check=False)
            if ready == 0:
                return
            if self.process.poll() is not None:
                break
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        raise SettingsError("PostgreSQL did not start.", remedy="Look at the server's installation.")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it: at once and orderly, or as if the machine had lost power."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def new_database(self, template: str = "template1") -> str:
        """Make an empty database, or a copy of another one; returns its URL."""
        name = f"t{uuid.uuid4().hex}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "-T", template, name)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        name = url.rsplit("/", 1)[1]
        self._run("dropdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "--force", name)

    def url(self, name: str) -> str:
        """URL of a database."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        result = subprocess.run(  # noqa: S603  the server's own programs
            [str(self.programs / program), *arguments],
            user=self.as_user,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if check and result.returncode:
            raise SettingsError(f"{program} failed: {result.stderr.decode(errors='replace')[:500]}")
        return result.returncode


@contextmanager
def postgres_server(*, durable: bool = True) -> Iterator[PostgresServer]:
    """Give a new server; it is ended and its folder removed afterwards. Not `durable`, it is quicker.

    Raises SettingsError where no server is installed.
    """
    programs = server_programs()
    if programs is None:
        raise SettingsError("No PostgreSQL server is installed.", remedy="apt-get install postgresql")
    as_user = _other_user() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="qingting-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if as_user:
            shutil.chown(folder, as_user)
        server = PostgresServer(folder=folder, port=_free_port(), programs=programs, as_user=as_user, durable=durable)
        server._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", _USER, "-E", "UTF8", "--locale=C", "-N")  # noqa: SLF001  its own module
        server.start()
        try:
            yield server
        finally:
            server.stop(kill=True)


def _other_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
