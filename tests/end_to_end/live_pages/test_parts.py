"""What the pages are made of, asked in the browser: sound that changes its rate, and events that come in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.live_pages.conftest import OpenPage, StandIn

pytestmark = [
    # The driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

RESAMPLED = """async ({from, hertz, piece}) => {
  const { Resampler } = await import("/live/assets/resampler.js");
  const sound = Float32Array.from({ length: from }, (_, n) => Math.sin(2 * Math.PI * hertz * n / from));
  const one = new Resampler(from, 16000), found = [];
  for (let at = 0; at < sound.length; at += piece) found.push(...one.feed(sound.slice(at, at + piece)));
  const middle = found.slice(2000, 14000);
  const wanted = middle.map((_, n) => Math.sin(2 * Math.PI * hertz * (n + 2000) / 16000));
  return {
    length: found.length,
    loudness: Math.sqrt(middle.reduce((sum, one) => sum + one * one, 0) / middle.length),
    difference: Math.max(...middle.map((one, n) => Math.abs(one - wanted[n]))),
  };
}"""


@pytest.fixture
def page(open_page: OpenPage, stand_in: StandIn) -> Any:
    return open_page(f"{stand_in.url}/live/wall")


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000, 8_000, 96_000, 22_050])
@pytest.mark.parametrize("piece", [128, 1024, 1000])
def test_what_is_heard_keeps_its_shape_and_time(page: Any, rate: int, piece: int) -> None:
    found = page.evaluate(RESAMPLED, {"from": rate, "hertz": 997, "piece": piece})
    assert 16_000 - 40 <= found["length"] <= 16_000
    assert found["difference"] < 1e-3


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000])
@pytest.mark.parametrize("hertz", [9_000, 15_003, 20_000])
def test_what_no_sample_can_carry_does_not_come_back_as_noise(page: Any, rate: int, hertz: int) -> None:
    assert page.evaluate(RESAMPLED, {"from": rate, "hertz": hertz, "piece": 1024})["loudness"] < 1e-3


def test_speech_passes_whole(page: Any) -> None:
    found = page.evaluate(RESAMPLED, {"from": 44_100, "hertz": 6_500, "piece": 1024})
    assert 0.68 < found["loudness"] < 0.72


AHEAD = """async ([date, now]) => {
  const { ahead } = await import("/live/assets/stream.js");
  return ahead(date, now);
}"""
NOON = "Mon, 30 Nov 2026 12:00:00 GMT"
NOON_MS = 1_796_040_000_000


@pytest.mark.parametrize(
    ("date", "now_ms", "ahead_ms"),
    [
        (NOON, NOON_MS + 400, 0),
        (NOON, NOON_MS - 2000, 0),
        (NOON, NOON_MS - 600_000, 600_500),
        (NOON, NOON_MS + 600_000, -599_500),
        (None, NOON_MS, 0),
        ("noon", NOON_MS, 0),
    ],
)
def test_a_clock_that_is_wrong_is_known(page: Any, date: str | None, now_ms: int, ahead_ms: int) -> None:
    assert page.evaluate(AHEAD, [date, now_ms]) == ahead_ms


READ = """async (pieces) => {
  const { Reader } = await import("/live/assets/stream.js");
  const found = [], reader = new Reader((event) => found.push([event.type, event.data, event.id]));
  for (const piece of pieces) reader.feed(piece);
  return found;
}"""
STREAM = (
    ': still here\n\nretry: 2000\n\nid: 7\nevent: call\ndata: {"a": 1}\n\ndata:one\ndata: two\n\n'
    "event: closed\ndata: {}\n\n"
)
EVENTS = [["call", '{"a": 1}', "7"], ["message", "one\ntwo", None], ["closed", "{}", None]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_however_they_are_cut(page: Any, end: str, size: int) -> None:
    # The last line may be held back until it is certain that no \n follows its \r.
    written = (STREAM + ": and so on\n").replace("\n", end)
    assert page.evaluate(READ, [written[at : at + size] for at in range(0, len(written), size)]) == EVENTS
