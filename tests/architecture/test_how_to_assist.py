"""The page on agent assist says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from qingting.analysis.packs import load_pack
from qingting.live.assist.book import Limits, Times, read_hints
from qingting.model.assist_feedback import Verdict
from qingting.model.live_event import HintKind, ItemState

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "assist.md").read_text(encoding="utf-8")


def test_the_example_pack_does_what_it_says(tmp_path: Path) -> None:
    [example] = re.findall(r"^```yaml pack\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "shop.yaml").write_text(example, encoding="utf-8")
    book = read_hints(load_pack("shop", folder=tmp_path))
    assert (book.limits.gap_seconds, book.limits.most_at_once, book.times.hold_seconds) == (20, 3, 20)
    assert book.hint("mood_negative") is None
    own, threat = book.hint_of_rule("custom_rules.member_day"), book.hint("risk_threat")
    assert own is not None
    assert threat is not None
    assert (own.kind, own.urgency, threat.urgency) == (HintKind.OTHER, 4, 1)
    assert book.asks["logistics"].name == "快递"
    assert not book.knowledge["freight"].enabled
    assert "opening_hours" in book.knowledge


def test_all_kinds_states_and_verdicts_are_named() -> None:
    for kind in HintKind:
        assert kind is HintKind.OTHER or f"| {kind.chinese} `{kind.value}` |" in PAGE
    for state in ItemState:
        assert f"| {state.chinese} `{state.value}` |" in PAGE
    for verdict in Verdict:
        assert f"`{verdict.value}`" in PAGE


def test_the_figures_are_those_of_the_defaults() -> None:
    limits, times = Limits(), Times()
    for said in (
        f"至少 {limits.gap_seconds} 秒", f"至少 {limits.urgent_gap_seconds} 秒", f"已有 {limits.most_at_once} 条",
        f"{limits.at_once_seconds // 60} 分钟内", f"{limits.cool_down_seconds} 秒内不重复",
        f"最多 {limits.most_hints} 条", f"等了 {limits.useful_seconds} 秒", f"要求 {times.late_answer_seconds:.0f} 秒",
        f"安静 {times.dead_air_seconds:.0f} 秒", f"稍候 {times.hold_seconds:.0f} 秒",
        f"{times.repeat_window_seconds // 60} 分钟内第三次",
    ):  # fmt: skip
        assert said in PAGE, said


def test_the_bundled_file_says_the_same_as_the_defaults() -> None:
    book = read_hints(load_pack("general"))
    assert (book.limits, book.times) == (Limits(), Times())
