"""Families of phrases written as one pattern."""

import pytest

from qingting.analysis.lexicon import groups, lexicon, lexicon_names
from qingting.analysis.phrase_patterns import LIMIT, expand
from qingting.analysis.text import NormalText, PhraseBook


@pytest.mark.parametrize(
    ("pattern", "slots", "phrases"),
    [
        ("再见", {}, ("再见",)),
        ("(a|b)c", {}, ("ac", "bc")),
        ("(a|b)?c", {}, ("ac", "bc", "c")),
        ("ab?c", {}, ("abc", "ac")),
        ("a|b", {}, ("a", "b")),
        ("(a(b|c)|d)e", {}, ("abe", "ace", "de")),
        ("<x>b", {"x": "1|2"}, ("1b", "2b")),
        ("<x>", {"x": "<y>b", "y": "1|2"}, ("1b", "2b")),
        ("通话…录音", {}, ("通话…录音",)),
        ("(a|a)b", {}, ("ab",)),
    ],
)
def test_a_pattern_is_spelled_out(pattern: str, slots: dict[str, str], phrases: tuple[str, ...]) -> None:
    assert expand(pattern, slots) == phrases


@pytest.mark.parametrize(
    ("pattern", "slots", "problem"),
    [
        ("(a|b", {}, "partner"),
        ("a)b", {}, "partner"),
        ("<x>", {}, "named"),
        ("<x", {"x": "a"}, "named"),
        ("<x>", {"x": "<x>"}, "itself"),
        ("(a)?", {}, "empty"),
        ("?a", {}, "nothing"),
        ("(a|b|c|d|e|f|g|h|i|j)" * 6, {}, str(LIMIT)),
    ],
)
def test_a_broken_pattern_says_what_is_wrong(pattern: str, slots: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        expand(pattern, slots)


def test_all_bundled_lexicons_can_be_read() -> None:
    assert all(lexicon(name) and all(groups(name).values()) for name in lexicon_names())


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("通话…录音", "本次通话可能会被录音", "通话可能会被录音"),
        ("通话…录音", "通话录音", "通话录音"),
        ("通话…录音", "通话。录音", ""),
        ("通话…录音", "通话，录音", "通话，录音"),
        ("通话…录音", "通话一二三四五六七录音", ""),
        ("通话…录音", "录音的通话", ""),
        ("会…录…下来", "电话会全程录了下来的", "会全程录了下来"),
        ("通话…录音", "通话通话和录音", "通话通话和录音"),
    ],
)
def test_a_gap_stands_for_a_few_characters_of_the_sentence(phrase: str, text: str, found: str) -> None:
    hits = PhraseBook({"a": {"x": [phrase]}}).find(NormalText(text)).get(("a", "x"), ())
    assert [text[hit.start_char : hit.end_char] for hit in hits] == ([found] if found else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("那拜了", ["拜了"]),
        ("行，拜了啊，谢谢", ["拜了"]),
        ("下个礼拜了", []),
        ("下个礼拜了，拜了", ["拜了"]),
        ("礼拜，拜了", ["拜了"]),
    ],
)
def test_a_longer_phrase_may_only_hide(text: str, found: list[str]) -> None:
    hits = PhraseBook({"a": {"x": ["拜了", "!礼拜了"]}}).find(NormalText(text))
    assert [hit.phrase for hit in hits.get(("a", "x"), ())] == found
    assert set(hits) == ({("a", "x")} if found else set()), "what is only hidden was not said"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("白白", 1),
        ("好的，白白。", 1),
        ("白白 呃，谢谢", 1),
        ("白白浪费", 0),
        ("白白 浪费了，白白！", 1),
        ("白白呃浪费", 0),
    ],
)
def test_a_phrase_may_count_at_the_end_of_a_clause_alone(text: str, found: int) -> None:
    hits = PhraseBook({"a": {"x": ["白白$"]}}).find(NormalText(text)).get(("a", "x"), ())
    assert [(hit.phrase, text[hit.start_char : hit.end_char]) for hit in hits] == [("白白", "白白")] * found


def farewells(text: str) -> list[str]:
    hits = PhraseBook({"a": {"x": lexicon("farewell")}}).find(NormalText(text)).get(("a", "x"), ())
    return [text[hit.start_char : hit.end_char] for hit in hits]


@pytest.mark.parametrize(
    "text", ["那拜了", "那先拜了啊", "拜了个拜", "白白", "好，白白啊", "谢谢，白白", "嗯白白", "慢走"]
)
def test_words_of_parting(text: str) -> None:
    assert farewells(text)


@pytest.mark.parametrize(
    "text",
    ["下个礼拜了", "等了一个礼拜了啊", "我都崇拜了", "昨天拜了年", "白白浪费我时间", "我钱白白地没了", "叫我白白等"],
)
def test_words_that_only_sound_like_parting(text: str) -> None:
    assert not farewells(text)


def test_a_part_may_be_a_phrase_of_its_own() -> None:
    hits = PhraseBook({"a": {"x": ["通话…录音"], "y": ["录音"]}}).find(NormalText("通话会录音"))
    assert {label for _, label in hits} == {"x", "y"}
