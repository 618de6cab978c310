"""Make the recordings of demo/calls from their scripts.

    python demo/make_calls.py            makes what is missing or out of date
    python demo/make_calls.py --all      makes everything again
    python demo/make_calls.py ID ...     makes the named calls

Needs demo/requirements-maker.txt; see demo/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from maker.encoding import encode
from maker.mixing import mix
from maker.synthesis import Voices

from qingting.testing.scripts import load_script, read_script

_HERE = Path(__file__).parent
_CALLS = _HERE / "calls"


def main() -> None:
    """Make the calls the arguments ask for and print one line each."""
    parser = argparse.ArgumentParser(description="Make the recordings of demo/calls from their scripts.")
    parser.add_argument("ids", nargs="*", help="calls to make, up to date or not")
    parser.add_argument("--all", action="store_true", help="make every call")
    parser.add_argument("--cache", type=Path, default=_HERE / ".cache", help="folder for synthesised sentences")
    arguments = parser.parse_args()
    voices = Voices(arguments.cache)
    for path in sorted(_CALLS.glob("*.yaml")):
        wanted = arguments.all or path.stem in arguments.ids
        if wanted or (not arguments.ids and not is_up_to_date(path)):
            print(make(path, voices), flush=True)


def is_up_to_date(path: Path) -> bool:
    """Whether the recording was made from the script as it is now."""
    script = read_script(path)
    times = path.with_suffix(".times.json")
    if script.audio is None or not times.exists():
        return script.audio is None
    recording = path.parent / script.audio.file
    known = json.loads(times.read_text(encoding="utf-8"))
    return (
        recording.exists()
        and known["recipe_sha256"] == script.recipe_sha256
        and known["audio_sha256"] == hashlib.sha256(recording.read_bytes()).hexdigest()
    )


def make(path: Path, voices: Voices) -> str:
    """Make one call's recording and times; returns a line about it."""
    script = read_script(path)
    if script.audio is None:
        return f"{script.id}: has no audio"
    call = mix(script, voices)
    recording = path.parent / script.audio.file
    encode(call.pcm, script.audio, recording)
    spans = ",\n".join(f'    {{"start_ms": {start}, "end_ms": {end}}}' for start, end in call.spans_ms)
    digest = hashlib.sha256(recording.read_bytes()).hexdigest()
    path.with_suffix(".times.json").write_text(
        "{\n"
        f'  "recipe_sha256": "{script.recipe_sha256}",\n'
        f'  "audio_sha256": "{digest}",\n'
        f'  "duration_ms": {call.duration_ms},\n'
        f'  "turns": [\n{spans}\n  ]\n'
        "}\n",
        encoding="utf-8",
    )
    load_script(path)
    return f"{script.id}: {call.duration_ms / 1000:.1f} s, {recording.stat().st_size / 1024:.0f} KiB"


if __name__ == "__main__":
    main()
