"""The report as one self-contained HTML page: nothing is fetched, everything from the call is escaped.

The page reads without scripts; the script only adds hearing, finding and filtering. A content
policy in the page names the script by its digest, so that no text of a call can ever run.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from qingting.report import wording
from qingting.report.formats import html_view
from qingting.report.formats.mood import mood_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from qingting.model.report import Report

_MOST_BINS = 1500
"""More columns than that are finer than any screen shows."""


def render_html(
    report: Report, *, audio_mp3: bytes | None = None, peaks: Sequence[Sequence[float]] | None = None
) -> str:
    """Render a report as a complete HTML document in Chinese.

    `audio_mp3` is embedded for listening; without it the page still shows and finds everything.
    `peaks` are loudness envelopes, 0 to 1, one row per channel over the whole call: two rows are
    left and right, one row is the mixed recording. Raises nothing for any valid report.
    """
    script = _file("report.js")
    data = _page_data(report, peaks, with_audio=audio_mp3 is not None)
    return _template().render(
        view=html_view.view_of(report),
        mood=mood_of(report),
        report=report,
        css=_file("report.css"),
        script=script,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_safe_json(data),
        audio=base64.b64encode(audio_mp3).decode() if audio_mp3 else "",
    )


def _page_data(report: Report, peaks: Sequence[Sequence[float]] | None, *, with_audio: bool) -> dict[str, Any]:
    return {
        "duration": report.statistics.duration_ms,
        "audio": with_audio,
        "lanes": _lanes(report, [_shrunk(row) for row in peaks or ()]),
        "pins": html_view.pins_of(report),
    }


def _lanes(report: Report, rows: list[list[int]]) -> list[dict[str, Any]]:
    lanes = []
    for party in report.statistics.parties:
        row: list[int] = []
        if len(rows) == 1:
            row = rows[0]
        elif rows and party.party in ("left", "right"):
            row = rows[0 if party.party == "left" else 1]
        spans = [[u.start_ms, u.end_ms] for u in report.transcript.utterances if u.party == party.party]
        lanes.append({"role": party.role.value, "label": html_view.party_name(party), "spans": spans, "peaks": row})
    return lanes


def _shrunk(row: Sequence[float]) -> list[int]:
    """Whole percent, at most _MOST_BINS of them, each the loudest of what it stands for."""
    count = min(len(row), _MOST_BINS)
    bounds = [len(row) * at // count for at in range(count + 1)] if count else []
    loudest = (max(row[start:end]) for start, end in itertools.pairwise(bounds))
    return [round(100 * min(max(value, 0.0), 1.0)) for value in loudest]


def _safe_json(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # Inside a script element only these could end it or start a comment; U+2028/9 end lines in old scripts.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _file(name: str) -> str:
    return resources.files("qingting.report").joinpath("formats", name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "clock": wording.clock,
        "duration": wording.duration,
        "number": wording.number,
        "signed": wording.signed,
        "percent": wording.percent,
        "clean": html_view.clean,
    }
    return environment.from_string(_file("report.html.jinja"))
