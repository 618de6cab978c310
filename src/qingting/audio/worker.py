"""Worker processes for work that can crash: decoding files from outside.

Each worker is a fresh interpreter (`python -m qingting.audio.worker module:function`), not a
multiprocessing child: starting one neither imports the caller's main script again nor forks
its threads. Jobs go in by its standard input, results come back by its standard output,
large arrays as raw bytes beside the pickle (protocol 5).

A worker cannot outlive its parent: it ends at once when its standard input closes, also in
the middle of a job, and the kernel closes it however the parent dies. No memory limit is
set: address space says nothing about memory used, and limits.max_seconds bounds what a
decoder may produce. Instead the worker offers itself first to Linux's out-of-memory killer,
so that a bomb costs one job and not the program.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from qingting.audio._wire import Packed, Wire, WireClosedError, unpack
from qingting.errors import QingtingError, WorkerCrashedError, WorkerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_JOBS = 2000
"""A worker is replaced after so many jobs: native libraries may leak."""
_ONE_CORE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_STOP = None


class _Job:
    """A call on its way to a worker."""

    def __init__(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.arguments = arguments
        self.options = options
        self.future: Future[Any] = Future()


class _Process:
    """One worker process, driven by one thread."""

    def __init__(self, target: str) -> None:
        self._popen = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            # -P: a file in the working folder must not shadow a library.
            [sys.executable, "-P", "-m", "qingting.audio.worker", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Decoders may print what they find in a file.
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
        )
        self._wire = Wire(reader=cast(BinaryIO, self._popen.stdout), writer=cast(BinaryIO, self._popen.stdin))
        self.jobs = 0

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        return self._popen.poll() is None and self.jobs < _MAX_JOBS

    def call(self, job: _Job, timeout_seconds: float) -> Any:
        """Run one job; a lost worker becomes a WorkerError."""
        self.jobs += 1
        late = threading.Event()
        timer = threading.Timer(timeout_seconds, self._give_up, (late,))
        timer.daemon = True
        timer.start()
        try:
            self._wire.send((job.arguments, job.options))
            outcome, value = self._receive()
        except WireClosedError:
            end = self._end()
            if late.is_set():
                raise WorkerTimeoutError(f"no answer within {timeout_seconds:g} seconds") from None
            raise WorkerCrashedError(f"the worker process died ({end})") from None
        finally:
            timer.cancel()
            # A kill that comes after the answer must be known before the next job.
            timer.join()
            if late.is_set():
                self.jobs = _MAX_JOBS
        if outcome == "result":
            return value
        if outcome == "error":
            raise value
        raise WorkerCrashedError(f"the worker failed with {value}")

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._popen.kill()

    def _receive(self) -> Any:
        try:
            return self._wire.receive()
        except WireClosedError:
            raise
        except Exception as error:  # noqa: BLE001 (an answer that does not unpickle here)
            self.jobs = _MAX_JOBS
            raise WorkerCrashedError(f"the worker's answer could not be read ({type(error).__name__})") from None

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        with contextlib.suppress(OSError):
            self._popen.kill()
        self._wire.close()
        self._popen.wait()

    def _end(self) -> str:
        """How it died, in words: a signal's name or an exit code."""
        try:
            code = self._popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return "it closed its output"
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"signal {-code}"


class _Shared:
    """What a pool and its threads share; holds no reference to the pool."""

    def __init__(self, target: str, timeout_seconds: float) -> None:
        self.target = target
        self.timeout_seconds = timeout_seconds
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.processes: set[_Process] = set()
        self.closed = False

    def put(self, job: _Job) -> None:
        """Queue a job; raises RuntimeError after close()."""
        with self.lock:
            # Under the lock: a job put in after close() has emptied the queue would wait for ever.
            if self.closed:
                raise RuntimeError("the worker pool is closed")
            self.jobs.put(job)

    def start_process(self) -> _Process:
        """Start a worker that close() will find."""
        with self.lock:
            if self.closed:
                raise _closed()
            process = _Process(self.target)
            self.processes.add(process)
            return process

    def drop(self, process: _Process) -> None:
        """End a worker."""
        with self.lock:
            self.processes.discard(process)
        process.stop()

    def serve(self) -> None:
        """Body of one pool thread: one worker, started with the first job."""
        process: _Process | None = None
        while (job := self.jobs.get()) is not _STOP:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                if process is not None and not process.alive:
                    self.drop(process)
                    process = None
                process = process or self.start_process()
                job.future.set_result(process.call(job, self.timeout_seconds))
            except BaseException as error:  # noqa: BLE001 (every outcome belongs to the waiting caller)
                job.future.set_exception(_closed() if self.closed else error)
            # A frame that waits for its next job must not keep a large result alive.
            del job
        if process is not None:
            self.drop(process)

    def close(self, workers: int) -> None:
        """End all workers at once; jobs under way and waiting fail."""
        with self.lock:
            self.closed = True
            processes = tuple(self.processes)
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self.jobs.get_nowait()
                if waiting is not None and waiting.future.set_running_or_notify_cancel():
                    waiting.future.set_exception(_closed())
        for _ in range(workers):
            self.jobs.put(_STOP)
        for process in processes:
            self.drop(process)


class WorkerPool:
    """Runs one function in worker processes; safe to use from several threads.

    `target` is `module:function`; arguments and results must pickle. Processes start with
    the first job that needs them. Use it as a context manager, or call close().
    """

    def __init__(self, target: str, *, workers: int = 1, timeout_seconds: float = 600.0) -> None:
        if workers < 1:
            raise ValueError("a pool needs at least one worker")
        self._shared = _Shared(target, timeout_seconds)
        self._threads = [
            threading.Thread(target=self._shared.serve, name=f"qingting-worker-{n}", daemon=True)
            for n in range(workers)
        ]
        # Runs at close(), when the pool is forgotten, and at the interpreter's end.
        self._finalizer = weakref.finalize(self, self._shared.close, workers)
        for thread in self._threads:
            thread.start()

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        """Queue one call of the target and return its Future.

        The Future raises QingtingErrors as the target raised them, WorkerTimeoutError after
        the pool's time limit, and WorkerCrashedError when the worker died or the target
        raised anything else (only that exception's type is named: its text may hold
        customer data). Other jobs are not affected.
        """
        job = _Job(arguments, options)
        self._shared.put(job)
        return job.future

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Call the target in a worker and wait for its result; raises as submit() says."""
        return self.submit(*arguments, **options).result()

    def close(self) -> None:
        """End all workers and wait until they are gone; jobs not finished fail."""
        self._finalizer()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _closed() -> WorkerCrashedError:
    return WorkerCrashedError("the worker pool was closed", remedy="")


def _environment() -> dict[str, str]:
    """Make the child's environment: it imports what the parent can import, on one core."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for name in _ONE_CORE:
        environment.setdefault(name, "1")
    return environment


def _perform(target: Callable[..., Any] | Exception, packed: Packed) -> Any:
    try:
        if isinstance(target, Exception):
            raise target
        arguments, options = unpack(packed)
        return "result", target(*arguments, **options)
    except QingtingError as error:
        return "error", error
    except BaseException as error:  # noqa: BLE001 (sys.exit() in the target is a failed job, too)
        return "failure", type(error).__name__


def _load(target: str) -> Callable[..., Any] | Exception:
    module, _, function = target.partition(":")
    try:
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except Exception as error:  # noqa: BLE001 (reported with the first job)
        return error
    return loaded


def _read_jobs(wire: Wire, jobs: queue.SimpleQueue[Packed]) -> None:
    """Body of the child's reading thread: the parent's end is this process's end.

    It only moves bytes: unpickling imports modules, which two threads must not do at once.
    """
    try:
        while True:
            jobs.put(wire.receive_packed())
    finally:
        os._exit(0)


def _main(target: str) -> None:
    """Serve jobs until standard input closes."""
    # Ctrl-C goes to the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 (no Path needed here)
        score.write("1000")
    # Whatever prints must not end up among the results.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    wire = Wire(reader=source, writer=output)
    jobs: queue.SimpleQueue[Packed] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(wire, jobs), daemon=True).start()
    function = _load(target)
    while True:
        wire.answer(_perform(function, jobs.get()))


if __name__ == "__main__":
    _main(sys.argv[1])
