"""Normalising, phrase search and the way back to the source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.analysis.text import NormalText, PhraseBook, Reading, normalise, not_inside


@pytest.mark.parametrize(
    ("source", "normal"),
    [
        ("不好，意思。", "不好意思"),
        ("ＶＩＰ　订单", "vip订单"),
        ("我 要 退 款！", "我要退款"),
        ("呃我要退款", "我要退款"),
        ("百分之百，100%", "百分之百100%"),
        ("", ""),
        ("……？！", ""),
        ("①号", "1号"),
    ],
)
def test_normalise(source: str, normal: str) -> None:
    assert normalise(source) == normal
    assert NormalText(source).text == normal


@given(st.text(max_size=40))
def test_every_normal_character_leads_back_into_the_source(source: str) -> None:
    text = NormalText(source)
    assert len(text.offsets) == len(text.text)
    assert text.offsets == sorted(text.offsets)
    for at in range(len(text.text)):
        start, end = text.back(at, at + 1)
        assert 0 <= start < end <= len(source)
        assert text.text[at] in normalise(source[start:end])


def _find(source: str, **labels: list[str]) -> dict[str, list[tuple[str, str]]]:
    found = PhraseBook({"one": labels}).find(NormalText(source))
    return {
        label: [(hit.phrase, source[hit.start_char : hit.end_char]) for hit in hits]
        for (_, label), hits in found.items()
    }


def test_hits_quote_the_source_with_its_punctuation() -> None:
    assert _find("真是太，慢了！", slow=["太慢"]) == {"slow": [("太慢", "太，慢")]}


def test_the_longest_phrase_of_a_label_wins() -> None:
    assert _find("我不满意", bad=["满意", "不满意"]) == {"bad": [("不满意", "不满意")]}


def test_labels_do_not_hide_each_other_but_can_be_told_apart() -> None:
    book = PhraseBook({"one": {"good": ["满意"], "bad": ["不满意"]}})
    found = book.find(NormalText("我不满意，他满意"))
    good, bad = found["one", "good"], found["one", "bad"]
    assert [hit.start_char for hit in good] == [2, 6]
    assert [hit.start_char for hit in not_inside(good, bad)] == [6]


@pytest.mark.parametrize(
    ("source", "hits"),
    [("say OK please", 1), ("a book", 0), ("OK的", 1), ("token", 0), ("是ok", 1), ("ok1", 0)],
)
def test_latin_phrases_match_whole_words_only(source: str, hits: int) -> None:
    assert len(_find(source, ok=["ok"]).get("ok", [])) == hits


def test_same_phrase_under_labels_of_two_analyzers() -> None:
    book = PhraseBook({"one": {"x": ["退款"]}, "two": {"y": ["退款", "退"]}})
    found = book.find(NormalText("我要退款"))
    assert set(found) == {("one", "x"), ("two", "y")}
    assert [hit.phrase for hit in found["two", "y"]] == ["退款"]


@pytest.mark.parametrize("phrases", [[], ["。。"]])
def test_a_book_without_usable_phrases_finds_nothing(phrases: list[str]) -> None:
    assert PhraseBook({"one": {"x": phrases}}).find(NormalText("你好")) == {}


def test_clauses_and_sentences_are_source_ranges() -> None:
    text = NormalText("您好，请问？我要退款")
    assert [text.source[a:b] for a, b in text.clauses] == ["您好", "请问", "我要退款"]
    assert [text.source[a:b] for a, b in text.sentences] == ["您好，请问", "我要退款"]
    assert text.clause_at(3) == (3, 5)


@pytest.fixture
def reading() -> tuple[NormalText, Reading]:
    """我嘅快递，唔满意 read as 我的快递，不满意."""
    text = NormalText("我嘅快递， 唔满意。")
    return text, Reading(text, [(1, 2, "的"), (6, 7, "不")])


def test_another_reading_finds_its_phrases_at_the_spoken_words(reading) -> None:
    text, other = reading
    book = PhraseBook({"a": {"bad": ["不满意"], "good": ["满意"], "thing": ["快递"]}})
    found = book.find_read(text, other, as_spoken=())
    (bad,) = found["a", "bad"]
    assert (text.source[bad.start_char : bad.end_char], bad.phrase) == ("唔满意", "不满意")
    assert text.text[bad.normal_start : bad.normal_end] == "唔满意"
    (good,) = found["a", "good"]
    assert good.inside(bad)
    assert len(found["a", "thing"]) == 1, "what both readings hold is found once"


def test_owners_may_keep_to_the_spoken_words(reading) -> None:
    text, other = reading
    book = PhraseBook({"a": {"bad": ["不满意"]}, "b": {"bad": ["不满意"]}})
    assert set(book.find_read(text, other, as_spoken={"a"})) == {("b", "bad")}


@given(st.text(alphabet="我嘅快递a，。 ", max_size=12), st.data())
def test_places_of_a_reading_lie_in_the_source(source: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, len(source)))
    text = NormalText(source)
    other = Reading(text, [(start, end, "不要")] if start < end else [])
    book = PhraseBook({"a": {"x": ["不要", "要", "不", "递不", "要我"]}})
    for hit in book.find_read(text, other, as_spoken=()).get(("a", "x"), ()):
        assert 0 <= hit.start_char < hit.end_char <= len(source)
        assert hit.start_char < end
        assert start < hit.end_char
