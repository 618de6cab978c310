"""Workers: a lost worker costs one job, nothing hangs, nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from qingting.audio.worker import WorkerPool
from qingting.errors import NotAudioError, WorkerCrashedError, WorkerTimeoutError

PID = "__import__('os').getpid()"


@pytest.fixture
def pool():
    """Workers that evaluate an expression."""
    with WorkerPool("builtins:eval", workers=2, timeout_seconds=20) as opened:
        yield opened


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


def test_gives_results_and_keeps_its_process(pool):
    assert pool.run("6 * 7") == 42
    one = WorkerPool("builtins:eval")
    assert one.run(PID) == one.run(PID) != os.getpid()
    one.close()


def test_passes_arguments_and_options():
    with WorkerPool("builtins:dict") as pool:
        assert pool.run([("a", 1)], b=2) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("__import__('os').abort()", "SIGABRT"),
        ("__import__('ctypes').string_at(0)", "SIGSEGV"),
        ("__import__('os')._exit(3)", "exit code 3"),
        ("__import__('os').kill(__import__('os').getpid(), 9)", "SIGKILL"),
        ("int('13800138000 secret')", "ValueError"),
        ("exit(1)", "SystemExit"),
        ("(_ for _ in ()).throw(KeyboardInterrupt)", "KeyboardInterrupt"),
        ("(_ for _ in ()).throw(MemoryError)", "MemoryError"),
        ("lambda: 1", "Error"),
        ("print('to standard output') or __import__('os').write(1, b'x' * 99)", None),
        ("__import__('sys').stdin", "Error"),
    ],
)
def test_a_bad_job_fails_alone(pool, expression, words):
    if words is None:
        assert pool.run(expression) == 99
    else:
        with pytest.raises(WorkerCrashedError, match=words) as caught:
            pool.run(expression)
        assert "secret" not in str(caught.value)
    assert [pool.run(str(n)) for n in range(4)] == [0, 1, 2, 3]


def test_crashes_do_not_touch_other_jobs(pool):
    jobs = ["__import__('time').sleep(0.05) or 7", "__import__('os').abort()"] * 6
    futures = [pool.submit(job) for job in jobs]
    for job, future in zip(jobs, futures, strict=True):
        if "abort" in job:
            assert isinstance(future.exception(), WorkerCrashedError)
        else:
            assert future.result() == 7


def test_typed_errors_come_back_as_themselves(pool):
    with pytest.raises(NotAudioError) as caught:
        pool.run("(_ for _ in ()).throw(__import__('qingting.errors').errors.NotAudioError('cause', remedy='do'))")
    assert (caught.value.cause, caught.value.remedy) == ("cause", "do")


def test_time_out_ends_the_job_and_only_that():
    with WorkerPool("builtins:eval", timeout_seconds=0.6) as pool:
        pid = pool.run(PID)
        start = time.monotonic()
        with pytest.raises(WorkerTimeoutError):
            pool.run("__import__('time').sleep(60)")
        assert time.monotonic() - start < 3
        assert gone(pid)
        assert pool.run("1") == 1


@pytest.mark.parametrize("target", ["no_such_module_here:f", "os:no_such_function", "nonsense"])
def test_a_target_that_does_not_load(target):
    with WorkerPool(target) as pool, pytest.raises(WorkerCrashedError, match="Error"):
        pool.run()


def test_large_arrays_come_back_writable(pool):
    array = pool.run("__import__('numpy').arange(6_000_000, dtype='int32').reshape(2, -1)")
    assert array.shape == (2, 3_000_000)
    assert array[1, -1] == 5_999_999
    array[0, 0] = 1
    sent = np.arange(1_000_000, dtype=np.int16)
    with WorkerPool("numpy:sum") as summing:
        assert summing.run(sent) == sent.sum()


def test_serves_several_threads():
    with WorkerPool("builtins:eval", workers=2) as pool:
        results: list[int] = []
        threads = [threading.Thread(target=lambda n=n: results.append(pool.run(f"{n} * 2"))) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(results) == [2 * n for n in range(12)]


def test_arguments_that_do_not_pickle_fail_without_harm(pool):
    with pytest.raises(Exception, match=r"(?i)pickle|lambda"):
        pool.run(lambda: 1)
    assert pool.run("5") == 5


def test_close_ends_running_and_waiting_jobs():
    pool = WorkerPool("builtins:eval")
    pid = pool.run(PID)
    futures = [pool.submit("__import__('time').sleep(60)") for _ in range(3)]
    time.sleep(0.1)
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 3
    assert gone(pid, 0.5)
    for future in futures:
        assert isinstance(future.exception(timeout=1), WorkerCrashedError)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit("1")
    pool.close()


def test_a_worker_killed_while_idle_is_replaced():
    with WorkerPool("builtins:eval") as pool:
        pid = pool.run(PID)
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        assert pool.run(PID) != pid


def test_a_forgotten_pool_ends_its_workers():
    pool = WorkerPool("builtins:eval")
    pid = pool.run(PID)
    del pool
    assert gone(pid)


SCRIPT = """
import sys, time
from qingting.audio.worker import WorkerPool
pool = WorkerPool("builtins:eval", workers=2)
print(pool.run("__import__('os').getpid()"), flush=True)
busy = pool.submit("__import__('time').sleep(120)")
print("ready", flush=True)
if sys.argv[1] == "wait":
    time.sleep(60)
"""


def run_script(tmp_path, mode):
    script = tmp_path / "plain_script.py"  # without a guard around its main part
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script), mode], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert process.stdout.readline() == "ready\n"
    return process, pid


def test_a_script_without_guard_ends_although_a_job_runs(tmp_path):
    process, pid = run_script(tmp_path, "end")
    with process:
        assert process.wait(10) == 0
    assert gone(pid)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_parent(tmp_path, blow):
    process, pid = run_script(tmp_path, "wait")
    time.sleep(0.1)
    with process:
        process.send_signal(blow)
        process.wait(10)
    assert gone(pid)


def test_starts_quickly():
    start = time.monotonic()
    with WorkerPool("builtins:eval") as pool:
        pool.run("1")
    assert time.monotonic() - start < 3, "a fresh worker takes 0.1 s on an idle machine"


def test_files_in_the_working_folder_do_not_shadow_libraries(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with WorkerPool("json:dumps") as pool:
        assert pool.run([1]) == "[1]"


def test_refuses_no_workers():
    with pytest.raises(ValueError, match="at least one"):
        WorkerPool("builtins:eval", workers=0)
