"""How many calls can run at once: real sound in real time over real sockets, the recogniser left out.

    python benchmarks/live_load.py [--calls 500] [--seconds 60] [--frame-ms 100] [--steps 100,200,…] [--json]

A service process with two listening processes, and this process as the generator, share the machine: the generator is
included in all that is said about the machine, and told apart in the cores used. Each call plays a two-channel sample
call of 8 kHz at the pace of speech, begins at a moment of its own within a minute, and is followed by the next one
when it is over. The engine answers from the calls' own scripts: what is measured is everything of ours - sockets,
decoding, keeping the sound, voice activity, acoustics, analysis, events, reports.

Delay: from the moment the sound that an event rests on was sent (the event's `at_ms`) to the event's arrival.
What the method itself waits for, the silence that ends a sentence, is told beside it, from a call that runs alone.
`yardstick_ms`: what a fixed piece of interpreted work took before and after the run; a virtual machine's cores may be
half as fast an hour later, and then the runs do not compare.
`generator_behind_ms`: from the time at which a message was due to its sending (the generator looks every 5 ms: 2.5 is
the mean of one that keeps up); `generator_held_back`: how often a message waited because the service did not read.
The floor is the same generator against sockets that only acknowledge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import uvloop
from _live_generator import Plan, Recording, Seen, ready, run_calls
from websockets.asyncio.server import ServerConnection, serve

from qingting.model.call import Role
from qingting.testing.samples import SampleCall, sample_calls
from qingting.testing.service_process import ServiceProcess, service_process
from qingting.testing.telephone import TELEPHONE_HERTZ, telephone_sound

GOAL_MS = 300
BEGIN_SECONDS = 60.0
"""A little less than a sample call lasts: so many calls begin and end in each second as later on."""
PROCESSES = 2


def recordings(frame_ms: int) -> list[Recording]:
    """All two-channel sample calls."""
    return [cut(one, frame_ms) for one in two_channel_calls()]


def two_channel_calls() -> list[SampleCall]:
    """Sample calls with one party per channel."""
    return [one for one in sample_calls() if one.script.audio is not None and one.script.audio.channels == 2]


def cut(sample: SampleCall, frame_ms: int) -> Recording:
    """Bring a sample call to 8 kHz and cut it."""
    pcm = telephone_sound(sample)
    left = Role.AGENT if sample.script.party(Role.AGENT) == "left" else Role.CUSTOMER
    audio = {
        "encoding": "pcm16",
        "rate": TELEPHONE_HERTZ,
        "channels": 2,
        "roles": [left.value, left.other.value],
    }
    call = {"line_of_business": sample.script.call.line_of_business, "agent_id": "A1", "team": "T1"}
    step = TELEPHONE_HERTZ * frame_ms // 1000
    frames = [pcm[:, at : at + step].T.tobytes() for at in range(0, pcm.shape[1], step)]
    return ready({"type": "start", "call": call, "audio": audio}, frames, frame_ms)


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest."""
    if not values:
        return {}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[round(0.99 * last)], 1),
        "max": round(ordered[-1], 1),
    }


def processes(service: ServiceProcess) -> dict[str, int]:
    """The service's processes by name."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(service.process.pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    links = [int(line.split()[0]) for line in listed.stdout.splitlines() if "--link" in line]
    return {"service": service.process.pid, **{f"listening_{n}": pid for n, pid in enumerate(links, start=1)}}


def cpu_seconds(pid: int) -> float:
    """CPU time of a process until now."""
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Used:
    """What the processes used while all lines were busy."""

    cores: dict[str, float] = field(default_factory=dict)
    """Process -> cores."""
    generator_us: float = 0.0
    """Microseconds of the generator per message of sound sent, all that it does included."""


async def load(plan: Plan, pids: dict[str, int]) -> tuple[Seen, Used]:
    """Carry out a plan."""
    full = time.monotonic() + plan.begin_seconds
    seen, used = Seen(since=full, until=full + plan.seconds), Used()

    async def watch() -> None:
        await asyncio.sleep(plan.begin_seconds)
        before, since = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
        own, sent = time.process_time(), len(seen.behind)
        await asyncio.sleep(plan.seconds)
        took = time.monotonic() - since
        used.cores = {name: round((cpu_seconds(pid) - before[name]) / took, 3) for name, pid in pids.items()}
        used.generator_us = round(1e6 * (time.process_time() - own) / max(1, len(seen.behind) - sent), 1)

    await asyncio.gather(watch(), run_calls(plan, seen))
    return seen, used


def yardstick() -> float:
    """Milliseconds of CPU that a fixed piece of interpreted work takes now: the best of several."""
    work = {f"key {n}": list(range(n)) for n in range(100)}

    def once() -> float:
        began = time.thread_time()
        for _ in range(20):
            json.loads(json.dumps(work, sort_keys=True, indent=1))
            sum(n * n % 7 for n in range(10_000))
        return 1000 * (time.thread_time() - began)

    return round(min(once() for _ in range(5)), 1)


def live_address(service: ServiceProcess) -> str:
    """Where running calls are taken."""
    return service.url.replace("http", "ws", 1) + "/api/v1/live"


def measure(
    service: ServiceProcess,
    key: str,
    pool: list[Recording],
    calls: int,
    seconds: float,
    *,
    begin_seconds: float = BEGIN_SECONDS,
) -> dict[str, Any]:
    """One number of calls."""
    pids = {**processes(service), "generator": os.getpid()}
    memory = {name: megabytes(pid) for name, pid in pids.items()}
    before = yardstick()
    seen, used = uvloop.run(load(Plan(live_address(service), key, pool, calls, begin_seconds, seconds), pids))
    grown = {name: megabytes(pid) - memory[name] for name, pid in pids.items()}
    own = sum(used.cores.values()) - used.cores["generator"]
    alert = quantiles(seen.delays.get("alert", []))
    return {
        "calls": calls,
        "seconds": seconds,
        "begun": seen.begun,
        "reported": seen.reported,
        "lost": seen.lost[:5],
        "lost_count": len(seen.lost),
        "delay_ms": {kind: quantiles(values) for kind, values in sorted(seen.delays.items())},
        "sentence_end_to_utterance_ms": quantiles(seen.sentence_ends),
        "hang_up_to_report_ms": quantiles(seen.after_hang_up),
        "events": seen.received,
        "generator_behind_ms": quantiles(seen.behind),
        "generator_held_back": seen.held_back,
        "generator_us_per_message": used.generator_us,
        "cpu_ms_per_call_second": round(1000 * own / calls, 2),
        "cores": used.cores,
        "yardstick_ms": [before, yardstick()],
        "megabytes_per_call": round((sum(grown.values()) - grown["generator"]) / calls, 2),
        "megabytes": {name: round(megabytes(pid)) for name, pid in pids.items()},
        "goal_met": bool(alert) and alert["p99"] <= GOAL_MS and not seen.lost and seen.reported == seen.begun,
    }


def soak(service: ServiceProcess, key: str, pool: list[Recording], calls: int, minutes: float) -> dict[str, Any]:
    """Memory of the processes minute by minute while so many lines call without a pause."""
    pids, samples = processes(service), []

    async def watch() -> None:
        for minute in range(int(minutes) + 1):
            samples.append({"minute": minute, **{name: round(megabytes(pid)) for name, pid in pids.items()}})
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
            await asyncio.sleep(60)

    async def both() -> Seen:
        watching = asyncio.create_task(watch())
        plan = Plan(live_address(service), key, pool, calls, BEGIN_SECONDS, 60 * minutes)
        seen, _ = await load(plan, pids)
        watching.cancel()
        return seen

    seen = uvloop.run(both())
    return {"calls": calls, "begun": seen.begun, "reported": seen.reported, "lost": seen.lost[:5], "megabytes": samples}


async def acknowledge(socket: ServerConnection) -> None:
    """The floor: take everything, answer each second of sound."""
    count = 0
    async for message in socket:
        count += 1
        if message == '{"type": "stop"}':
            await socket.send('{"type": "report"}')
            return
        if count % 10 == 0:
            await socket.send(json.dumps({"type": "utterance", "at_ms": 0, "end_ms": 0}))


async def floor_server() -> None:
    """Listen until killed."""
    async with serve(acknowledge, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def floor(pool: list[Recording], calls: int, seconds: float) -> dict[str, Any]:
    """The same generator against sockets that only acknowledge."""
    command = [sys.executable, str(Path(__file__).resolve()), "--floor-server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        pids = {"server": server.pid, "generator": os.getpid()}
        plan = Plan(f"ws://127.0.0.1:{port}/", "", pool, calls, BEGIN_SECONDS, seconds)
        seen, used = uvloop.run(load(plan, pids))
        found = {
            "calls": calls,
            "cores": used.cores,
            "generator_behind_ms": quantiles(seen.behind),
            "generator_held_back": seen.held_back,
            "generator_us_per_message": used.generator_us,
            "lost_count": len(seen.lost),
        }
        server.kill()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--steps", default="", help="further numbers of calls, joined by commas")
    parser.add_argument("--seconds", type=float, default=60.0, help="after all lines have begun")
    parser.add_argument("--frame-ms", type=int, default=100)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="listening processes")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="only watch memory for so long")
    parser.add_argument("--no-floor", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--floor-server", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.floor_server:
        uvloop.run(floor_server())
        return
    pool = recordings(given.frame_ms)
    settings = {
        "QINGTING_LIVE__PROCESSES": str(given.processes),
        "QINGTING_LIVE__MAX_CALLS": "5000",
        "QINGTING_API__REQUESTS_PER_MINUTE": "0",
    }
    serving = Path(__file__).parents[1] / "tests" / "live_service.py"
    program = (str(serving), "telephone:" + ",".join(one.id for one in two_channel_calls()))
    results: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; generator included",
        "frame_ms": given.frame_ms,
        "runs": [],
    }
    with (
        tempfile.TemporaryDirectory(prefix="qingting-live-") as folder,
        service_process(Path(folder), settings, program=program) as service,
    ):
        key = service.new_key("integrator")
        # The first run starts the listening processes.
        measure(service, key, pool, 2 * given.processes, 1, begin_seconds=5)
        if given.soak:
            results["soak"] = soak(service, key, pool, given.calls, given.soak)
            print(json.dumps(results, indent=1))
            return
        warm = measure(service, key, pool, given.processes, 60, begin_seconds=5)
        results["alone"] = {name: warm[name] for name in ("delay_ms", "sentence_end_to_utterance_ms")}
        steps = [int(one) for one in given.steps.split(",") if one]
        for calls in sorted({given.calls, *steps}):
            results["runs"].append(measure(service, key, pool, calls, given.seconds))
            if not given.json:
                print(json.dumps(results["runs"][-1], indent=1), flush=True)
    if not given.no_floor:
        results["floor"] = floor(pool, given.calls, min(30.0, given.seconds))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
