"""How many calls can run at once: real sound in real time over real sockets, the recogniser left out.

    python benchmarks/live_load.py [--calls 500] [--seconds 60] [--frame-ms 100] [--steps 100,200,…] [--json]

A service process with two listening processes, and this process as the generator, share the machine. Each call
plays a two-channel sample call of 8 kHz at the pace of speech, begins at a moment of its own within ten seconds, and is
followed by the next one when it is over. The engine answers from the calls' own scripts: what is measured is
everything of ours - sockets, decoding, keeping the sound, voice activity, acoustics, analysis, events, reports.

Delay: from the moment the sound that an event rests on was sent (the event's `at_ms`) to the event's arrival.
What the method itself waits for, the silence that ends a sentence, is told beside it, from a call that runs alone.
The floor is the same generator against sockets that only acknowledge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from qingting.model.call import Role
from qingting.testing.samples import SampleCall, sample_calls
from qingting.testing.service_process import ServiceProcess, service_process
from qingting.testing.telephone import TELEPHONE_HERTZ, telephone_sound

GOAL_MS = 300
BEGIN_SECONDS = 10.0
PROCESSES = 2


@dataclass(frozen=True)
class Recording:
    """A sample call cut into messages."""

    start: str
    frames: list[bytes]
    frame_ms: int


@dataclass
class Seen:
    """What the calls of one run told."""

    delays: dict[str, list[float]] = field(default_factory=dict)
    """Kind of event -> milliseconds."""
    sentence_ends: list[float] = field(default_factory=list)
    """Milliseconds from an utterance's last sound to its arrival."""
    after_hang_up: list[float] = field(default_factory=list)
    """Milliseconds from stop to the report."""
    begun: int = 0
    reported: int = 0
    lost: list[str] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    """Milliseconds by which the generator sent late."""


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
    return Recording(
        start=json.dumps({"type": "start", "call": call, "audio": audio}), frames=frames, frame_ms=frame_ms
    )


async def caller(
    address: str, key: str, pool: list[Recording], seen: Seen, *, own: random.Random, until: float
) -> None:
    """One line: call after call until the time is over."""
    await asyncio.sleep(own.uniform(0, BEGIN_SECONDS))
    while time.monotonic() < until:
        await one_call(address, key, own.choice(pool), seen)


async def one_call(address: str, key: str, recording: Recording, seen: Seen) -> None:
    """Send one call and take what it tells."""
    sent: list[float] = []
    stopped = [0.0]
    try:
        async with connect(
            address, additional_headers={"Authorization": f"Bearer {key}"}, compression=None, ping_interval=None,
            open_timeout=60,
        ) as socket:  # fmt: skip
            await socket.send(recording.start)
            seen.begun += 1
            hearing = asyncio.create_task(hear(socket, recording, seen, sent, stopped))
            began = time.monotonic()
            for number, frame in enumerate(recording.frames):
                # A frame can be sent when its sound has been spoken.
                due = began + (number + 1) * recording.frame_ms / 1000
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                seen.behind.append(max(0.0, -1000 * wait))
                await socket.send(frame)
                sent.append(time.monotonic())
            stopped[0] = time.monotonic()
            await socket.send('{"type": "stop"}')
            await asyncio.wait_for(hearing, 120)
    except Exception as error:  # noqa: BLE001  counted and shown
        seen.lost.append(f"{type(error).__name__} {str(error)[:80]}")


async def hear(socket: Any, recording: Recording, seen: Seen, sent: list[float], stopped: list[float]) -> None:
    """Take events and note how late they came."""
    found: dict[str, int] = {}

    def delay(at_ms: int, now: float) -> float | None:
        number = -(-at_ms // recording.frame_ms) - 1
        return 1000 * (now - sent[number]) if 0 <= number < len(sent) else None

    async for message in socket:
        now = time.monotonic()
        event = json.loads(message)
        kind = event["type"]
        if kind == "report":
            seen.reported += 1
            seen.after_hang_up.append(1000 * (now - stopped[0]))
        elif kind in ("error", "report_delayed"):
            seen.lost.append(kind + " " + event.get("code", ""))
        if stopped[0]:
            continue
        if kind == "finding":
            found[event["finding"]["id"]] = event["at_ms"]
        at_ms = found.get(event["finding_id"]) if kind == "alert" else event.get("at_ms")
        late = None if at_ms is None else delay(at_ms, now)
        if late is not None:
            seen.delays.setdefault(kind, []).append(late)
        if kind == "utterance" and (late := delay(event["end_ms"], now)) is not None:
            seen.sentence_ends.append(late)


def quantiles(values: list[float]) -> dict[str, float]:
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


async def load(
    address: str, key: str, pool: list[Recording], calls: int, seconds: float, pids: dict[str, int]
) -> tuple[Seen, dict[str, float]]:
    """Run so many lines for so long, calls that run then to their end.

    Returns what was seen, and the cores that each process used while all lines were busy.
    """
    seen, began = Seen(), time.monotonic()
    until = began + BEGIN_SECONDS + seconds
    cores: dict[str, float] = {}

    async def watch() -> None:
        await asyncio.sleep(BEGIN_SECONDS)
        before, since = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - since
        cores.update({name: round((cpu_seconds(pid) - before[name]) / took, 3) for name, pid in pids.items()})

    lines = (caller(address, key, pool, seen, own=random.Random(n), until=until) for n in range(calls))
    await asyncio.gather(watch(), *lines)
    return seen, cores


def measure(service: ServiceProcess, key: str, pool: list[Recording], calls: int, seconds: float) -> dict[str, Any]:
    """One number of calls."""
    address = service.url.replace("http", "ws", 1) + "/api/v1/live"
    pids = {**processes(service), "generator": os.getpid()}
    memory = {name: megabytes(pid) for name, pid in pids.items()}
    seen, cores = uvloop.run(load(address, key, pool, calls, seconds, pids))
    grown = {name: megabytes(pid) - memory[name] for name, pid in pids.items()}
    own = sum(cores.values()) - cores["generator"]
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
        "generator_behind_ms": quantiles(seen.behind),
        "cpu_ms_per_call_second": round(1000 * own / calls, 2),
        "cores": cores,
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
        address = service.url.replace("http", "ws", 1) + "/api/v1/live"
        seen, _ = await load(address, key, pool, calls, 60 * minutes, pids)
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
        seen, cores = uvloop.run(load(f"ws://127.0.0.1:{port}/", "", pool, calls, seconds, pids))
        found = {
            "calls": calls,
            "cores": cores,
            "generator_behind_ms": quantiles(seen.behind),
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
        measure(service, key, pool, 2 * given.processes, 1)
        if given.soak:
            results["soak"] = soak(service, key, pool, given.calls, given.soak)
            print(json.dumps(results, indent=1))
            return
        warm = measure(service, key, pool, given.processes, 20)
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
