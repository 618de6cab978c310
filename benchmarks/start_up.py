"""How long the package takes to import and the command to answer `--help`.

Each figure is the median of several fresh processes, wall time of the whole process; beside it
the same for a bare interpreter, which is the floor. Goals: import under 0.3 s, help under 0.5 s.

usage: python benchmarks/start_up.py [--json] [--runs 15]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "import qingting": [sys.executable, "-c", "import qingting"],
    "qingting --help": [sys.executable, "-m", "qingting", "--help"],
}


def seconds(command: list[str], runs: int) -> float:
    """Median wall seconds of a command, after one run that warms the file cache."""
    taken = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    figures = {name: round(seconds(command, arguments.runs), 3) for name, command in COMMANDS.items()}
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    if arguments.json:
        print(json.dumps({"machine": machine, "seconds": figures}))
        return
    print(machine)
    for name, figure in figures.items():
        print(f"{name:18} {figure:.3f} s")


if __name__ == "__main__":
    main()
