"""Full-text search over Chinese: what must be found is found, what is not said is not, whatever somebody types."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from qingting.errors import InvalidRequestError, StorageError
from qingting.model.account import NOTHING, Reach
from qingting.storage import calls, search
from qingting.storage.calls import CallFilter
from qingting.storage.database import Database
from qingting.storage.search import Hit
from qingting.storage.statements import Page

ALL = Reach(everything=True)


def find(database: Database, words: str, reach: Reach = ALL, limit: int = 50, after: str = "", **wanted) -> Page[Hit]:
    with database.read() as connection:
        return search.find(
            connection, words=words, reach=reach, wanted=CallFilter(**wanted), limit=limit, after=after
        )  # fmt: skip


def ids(page: Page[Hit]) -> list[str]:
    return [hit.call.call_id for hit in page.items]


@pytest.fixture
def said(database: Database, add_call):
    """Index texts: `said("c1", "我要退款", team="A")`."""

    def index(call_id: str, masked: str, **values: object) -> int:
        with database.write() as connection:
            call = calls.find(connection, call_id) or add_call(connection, call_id, **values)
            search.index(connection, call.id, masked)
        return call.id

    return index


FOUND = [
    ("退款", "我要退款。"),
    ("退款", "退款"),
    ("我要退款", "我要退款"),
    ("我要退", "我要退款"),
    ("办理退款", "您好，马上为您办理退款手续"),
    ("款", "我要退款"),
    ("我", "我要退款"),
    ("要", "我要退款"),
    ("嗯", "嗯。"),
    ("投诉 退款", "我要退款，不然我就投诉"),
    ("  投诉\t退款\n", "我要退款\n我要投诉"),
    ("投诉　退款", "我要退款，不然我就投诉"),
    ('"我要退款"', "我要退款"),
    ('"退款，不然"', "我要退款，不然我就投诉"),
    ('"退款不然" 退款', "退款不然"),
    ("退款，投诉", "投诉的话还是退款的话"),
    ("iphone", "我的 iPhone 坏了"),
    ("IPHONE", "我的ｉＰｈｏｎｅ坏了"),
    ("iPhone坏了", "我的iPhone坏了"),
    ("15天", "说好１５天到"),
    ("１５", "说好15天到"),
    ("vip", "我是VIP客户"),
    ("café", "在cafe\u0301门口"),
    ("退 款", "先退货，款项三天到"),
    ("𠮷野", "𠮷野家"),
    ("𫠝", "他姓𫠝"),
    ("退款", "他说“退款”"),
    ("カード", "カードの番号"),
    ("12345678901234567890" * 3, "单号12345678901234567890" + "12345678901234567890" * 2),
    ("a" * 70, "编号 " + "a" * 70),
    ("138", "电话138****5678"),
    ("国家", "国家"),
]


@pytest.mark.parametrize(("words", "masked"), FOUND)
def test_what_was_said_is_found(database: Database, said, words: str, masked: str) -> None:
    said("other", "别的通话里什么都没有提")
    said("c1", masked)
    assert ids(find(database, words)) == ["c1"]


NOT_FOUND = [
    ("退款", "先退货，款项三天到"),
    ("退款", "退了款"),
    ("退款", "退，款"),
    ("退款", "退\n款"),
    ("办理退款", "办理的是退款"),
    ("办理退款", "办理，理退，退款"),
    ("投诉 退款", "我要退款"),
    ('"退款投诉"', "退款，我要投诉"),
    ('"投诉退款"', "退款投诉"),
    ("款退", "退款"),
    ("phone", "我的iPhone坏了"),
    ("iphon", "我的iPhone坏了"),
    ("iPhone坏了", "iPhone很好，坏了的是别的"),
    ("5天", "说好15天到"),
    ("國家", "国家"),
    ("a" * 71, "编号 " + "a" * 70),
    ("a" * 69 + "b", "编号 " + "a" * 70),
    ("好", "退款"),
]


@pytest.mark.parametrize(("words", "masked"), NOT_FOUND)
def test_what_was_not_said_is_not_found(database: Database, said, words: str, masked: str) -> None:
    said("c1", masked)
    assert ids(find(database, words)) == []


@pytest.mark.parametrize(
    "words", ["", " ", "，。！", '""', '" "', "\0", "____", "---", "*", "\ud800", "退" * 201, "a " * 5000]
)
def test_searches_without_words_or_too_long_are_refused(database: Database, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        find(database, words)
    assert "退" not in str(caught.value)


STILL_FOUND = [
    "退款*", "^退款", "退款'", "退款:*", "(退款", "退款)", "\\退款", "退款\\", "退_款%", "{退款}", "-退款",
    "+退款", "!退款", '"退款', '退款"', '"""退款"""', "退款 <-> 我", "退款 & 我要", "退款 | 我要", "退款\0我要",
    "'退款' & '我要'",
]  # fmt: skip
NOT_FOUND_BY_SIGNS = [
    '退款" OR "a', "退款 OR 投诉", "退款 | 投诉", "退款 NOT 投诉", "退款 AND", "NEAR(退款 我要)", "body:退款",
    "退款:A", "退款 & !投诉", "'; DROP TABLE words; --", "退款:wanted", "%(wanted)s", "words", "delete", "rank",
]  # fmt: skip


@pytest.mark.parametrize("words", [*STILL_FOUND, *NOT_FOUND_BY_SIGNS])
def test_signs_of_query_languages_mean_nothing(database: Database, said, words: str) -> None:
    said("c1", "我要退款")
    assert ids(find(database, words)) == (["c1"] if words in STILL_FOUND else [])
    assert ids(find(database, "退款")) == ["c1"]


ALPHABET = "退款投诉啊aB1Ａ１，。 |\"'*\\:\n\0&!()<->{}^éİß𠮷"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(ALPHABET, max_size=20), st.text(ALPHABET, min_size=1, max_size=5))
def test_any_text_and_any_query_agree_with_a_plain_comparison(
    database: Database, said, masked: str, words: str
) -> None:
    said("c1", masked)
    if not any(one.isalnum() for one in words.translate(search._FOLD)):
        with pytest.raises(InvalidRequestError):
            find(database, words)
        return
    assert bool(ids(find(database, words))) == plainly_says(masked, words)


def plainly_says(masked: str, words: str) -> bool:
    """The same decision without an index: every piece of the query stands in the text, Latin words whole."""

    def folded(value: str) -> str:
        return "".join(unicodedata.normalize("NFKC", one).lower() for one in unicodedata.normalize("NFC", value))

    lines = [re.sub(r"[\W_]+", " ", folded(line)) for line in masked.split("\n")]
    for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', unicodedata.normalize("NFC", words)):
        for piece in [quoted] if quoted else re.split(r"[\W_]+", folded(bare)):
            runs = re.findall("[退款投诉啊𠮷]+|[^退款投诉啊𠮷\\W_]+", folded(piece))
            pattern = " ?".join(
                run if run[0] in "退款投诉啊𠮷" else rf"(?<![a-z0-9éßi̇]){run}(?![a-z0-9éßi̇])" for run in runs
            )
            if runs and not any(re.search(pattern, line) for line in lines):
                return False
    return True


def test_no_more_than_what_is_within_reach(database: Database, said) -> None:
    said("c1", "退款", team="A", agent_id="x")
    said("c2", "退款", team="B", agent_id="y")
    assert ids(find(database, "退款")) == ["c2", "c1"]
    assert ids(find(database, "退款", Reach(teams=("A",)))) == ["c1"]
    assert ids(find(database, "退款", Reach(agent_id="y"))) == ["c2"]
    assert ids(find(database, "退款", NOTHING)) == []


def test_filters_hold(database: Database, said) -> None:
    said("c1", "退款", team="A", day=20261101)
    said("c2", "退款", team="B", day=20261115)
    said("c3", "投诉", team="B", day=20261115)
    assert ids(find(database, "退款", team="B")) == ["c2"]
    assert ids(find(database, "退款", to_day=20261110)) == ["c1"]
    assert ids(find(database, "退款", team="C")) == []


@pytest.mark.parametrize("words", ["退款", "办理退款", '"办理退款"'])
def test_pages_hold_every_call_once_newest_first(database: Database, said, words: str) -> None:
    for number in range(23):
        said(f"c{number}", "办理退款" if number % 3 else "办理的退款，理退")
    expected = [f"c{n}" for n in range(22, -1, -1) if n % 3 or words == "退款"]
    seen: list[str] = []
    after = ""
    while True:
        page = find(database, words, limit=4, after=after)
        assert len(page.items) <= 4
        seen += ids(page)
        after = page.next_key
        if not after:
            break
    assert seen == expected


def test_a_page_of_rare_hits_may_end_early_and_the_next_goes_on(
    database: Database, said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_AT_ONCE", 2)
    monkeypatch.setattr(search, "_MOST_CHECKED", 5)
    said("c0", "办理退款")
    for number in range(1, 30):
        said(f"c{number}", "办理的退款，理退")
    after, pages, seen = "", 0, []
    while pages == 0 or after:
        page = find(database, "办理退款", limit=10, after=after)
        seen, after, pages = seen + ids(page), page.next_key, pages + 1
    assert seen == ["c0"]
    assert 1 < pages < 10


def test_indexing_again_replaces_and_unindexing_leaves_nothing(database: Database, said) -> None:
    number = said("c1", "我要退款")
    said("c1", "我要投诉")
    assert ids(find(database, "退款")) == []
    assert ids(find(database, "投诉")) == ["c1"]
    with database.write() as connection:
        search.unindex(connection, number)
        search.unindex(connection, number)
    for words in ("退款", "投诉", "我"):
        assert ids(find(database, words)) == []


def test_no_call_disappears_while_its_words_are_indexed_on_sqlite(database: Database, said) -> None:
    number = said("c1", "我要退款")
    if database.is_sqlite:
        with pytest.raises(StorageError), database.write() as connection:
            calls.remove(connection, number)
        assert ids(find(database, "退款")) == ["c1"]
    else:
        with database.write() as connection:
            calls.remove(connection, number)
        assert ids(find(database, "退款")) == []


def index_and_fail(database: Database, number: int) -> None:
    with database.write() as connection:
        search.index(connection, number, "我要投诉")
        raise RuntimeError


def test_what_a_failed_transaction_indexed_is_not_found(database: Database, said) -> None:
    number = said("c1", "我要退款")
    with pytest.raises(RuntimeError):
        index_and_fail(database, number)
    assert ids(find(database, "退款")) == ["c1"]
    assert ids(find(database, "投诉")) == []


@pytest.mark.parametrize("masked", ["", "，。", "\0\0", "\ud800", "a" * 5000, "退款" * 20_000])
def test_any_text_can_be_indexed_and_forgotten(database: Database, said, masked: str) -> None:
    number = said("c1", masked)
    with database.write() as connection:
        search.unindex(connection, number)
        left = connection.execute(text("SELECT count(*) FROM words_text")).scalar_one()
    assert left == 0


def test_words_at_the_end_of_a_call_of_hours_are_found(database: Database, said) -> None:
    said("c1", "\n".join(["您好请问有什么可以帮您"] * 9000 + ["我要办理退款"]))
    for words in ("退款", "办理退款", "我要办理退款"):
        (hit,) = find(database, words).items
        assert hit.snippets == ("我要办理退款",)


SNIPPETS = [
    ("退款", "我要退款。\n好的\n退款三天到", ("我要退款。", "退款三天到")),
    ("退款", "好" * 40 + "退款" + "的" * 40, ("…" + "好" * 24 + "退款" + "的" * 24 + "…",)),
    ("退款 投诉", "我要投诉\n我要退款", ("我要投诉", "我要退款")),
    ("ABC", "ａｂｃ坏了", ("ａｂｃ坏了",)),
    ("退款", "退款\n" * 9, ("退款",) * 3),
    ('"退款，不然"', "先退款，不然投诉", ("先退款，不然投诉",)),
    ("株式会社", "㍿株式会社", ("㍿株式会社",)),
]


@pytest.mark.parametrize(("words", "masked", "expected"), SNIPPETS)
def test_excerpts_show_where(database: Database, said, words: str, masked: str, expected: tuple[str, ...]) -> None:
    said("c1", masked)
    (hit,) = find(database, words).items
    assert hit.snippets == expected
