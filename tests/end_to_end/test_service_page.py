"""The page "The service in five minutes", command by command, as a reader would type it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "service.md").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_page_works_from_top_to_bottom(tmp_path: Path) -> None:
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    port = free_port()
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    assert len(blocks) >= 6
    # The page's port may be taken here; job control is what an interactive shell has.
    script = "set -euo pipefail; set -m\n" + "\n".join(blocks).replace("8600", str(port))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGTING_")}
    result = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env={
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "QINGTING_STORAGE__FOLDER": str(tmp_path / "data"),
            "QINGTING_API__PORT": str(port),
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    inspection = json.loads((tmp_path / "inspection.json").read_text(encoding="utf-8"))
    assert (inspection["call_id"], inspection["state"]) == ("20261130-0001", "done")
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"done \d+\.\d+ \d+ findings$", result.stdout, re.M)
