"""A whole installation in processes of its own: `qingting serve` in a folder, for tests and benchmarks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from qingting.errors import QingtingError

_LISTENING = re.compile(r"listening on (http://\S+)")
_ENDING = (signal.SIGTERM, 30), (signal.SIGKILL, 10)


@dataclass
class ServiceProcess:
    """A running service and its embedded worker."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[str]
    url: str = ""
    log: list[str] = field(default_factory=list)
    """Everything it wrote to standard output and standard error, line by line."""

    def command(self, *arguments: str, text: str = "") -> str:
        """Run another `qingting` command of the same installation; returns what it printed.

        Raises QingtingError with what it wrote when it fails.
        """
        result = subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "qingting", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        if result.returncode:
            raise QingtingError(f"qingting {arguments[0]} ended with {result.returncode}", remedy=result.stderr)
        return result.stdout

    def new_key(self, role: str, *arguments: str) -> str:
        """Make an API key with all permissions of a role."""
        printed = self.command("users", "key", f"test-{role}", "--role", role, *arguments)
        return next(word for word in printed.split() if word.startswith("qt_"))

    def stop(self) -> int:
        """Stop it orderly; returns its exit code."""
        for number, seconds in _ENDING:
            if self.process.poll() is None:
                self.process.send_signal(number)
                try:
                    self.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
        return self.process.returncode


@contextmanager
def service_process(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    *arguments: str,
    ready_seconds: float = 120,
    program: Sequence[str] = ("-m", "qingting", "serve", "--port", "0"),
) -> Iterator[ServiceProcess]:
    """Run `qingting serve` on a free port until the block ends; `settings` are further QINGTING_ variables.

    `program` are other arguments of Python that start a service.

    Raises QingtingError with its output when it does not start.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGTING_")}
    environment = {
        **kept,
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "QINGTING_STORAGE__FOLDER": str(folder / "data"),
        **(settings or {}),
    }
    command = [sys.executable, *program, *arguments]
    process = subprocess.Popen(  # noqa: S603  our own command
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    running = ServiceProcess(folder=folder, environment=environment, process=process)
    listening = threading.Event()
    reader = threading.Thread(target=_follow, args=(running, listening), daemon=True)
    reader.start()
    try:
        if not listening.wait(ready_seconds) or not running.url:
            raise QingtingError("the service did not start", remedy="\n".join(running.log[-30:]))
        yield running
    finally:
        running.stop()
        reader.join(10)
        if process.stdout is not None:
            process.stdout.close()


def _follow(running: ServiceProcess, listening: threading.Event) -> None:
    """Keep the output, and tell when the address is known or the process has ended."""
    if running.process.stdout is not None:
        for line in running.process.stdout:
            running.log.append(line.rstrip("\n"))
            found = _LISTENING.search(line)
            if found and not running.url:
                running.url = found.group(1)
                listening.set()
    listening.set()
