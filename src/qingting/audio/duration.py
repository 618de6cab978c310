"""How long a recording says it is, without decoding it: the function that worker processes run for a first look."""

from __future__ import annotations

from pathlib import Path


def stated_seconds(path: Path) -> float | None:
    """Return the length that a file's header states; None where it states none or cannot be read.

    A statement, not a measurement: headers lie. Run it in a WorkerPool (`qingting.audio.duration:stated_seconds`):
    readers can crash on hostile bytes.
    """
    import av

    # The bytes are hostile: the same guarded opening as for decoding.
    from qingting.audio._ffmpeg import open_guarded, suffix_format

    av.logging.set_level(None)
    forced = suffix_format(path.suffix.lower())
    try:
        with path.open("rb") as file, open_guarded(file, forced) as container:
            lengths = [
                float(stream.duration * stream.time_base)
                for stream in container.streams.audio
                if stream.duration is not None and stream.time_base is not None
            ]
            return max([*lengths, (container.duration or 0) / av.time_base]) or None
    except (av.FFmpegError, OSError, ValueError):
        return None
