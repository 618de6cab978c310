"""Full text over Chinese: which calls say all of some words, newest first, on both databases.

Chinese has no spaces, so a run of its characters is indexed as its pairs: 我要退款 as 我要, 要退, 退款. A word of
two characters is then one entry of the index, found at once; a longer one is all of its pairs, and the text
itself decides whether they stand side by side. The last character of a run is an entry of its own, so
that a single character is found as the beginning of an entry. Words of other scripts and numbers are
entries as they are, without regard to case and width.

SQLite has an FTS5 table without content, PostgreSQL a column of lexemes with a function that always asks its
index (planners cannot know how rare a word is, and would rather read every text); neither keeps places in the text.
The text stands beside them, compressed: for the check of longer words, for excerpts, and because FTS5
forgets a text only by being told it once more.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from qingting.errors import InvalidRequestError
from qingting.model.account import Reach
from qingting.storage.calls import CallFilter, CallRow, conditions, of_row
from qingting.storage.statements import Page, add_rows
from qingting.storage.tables import calls

MOST_CHARACTERS = 200
"""Of a query."""
_LONGEST_WORD = 64
"""Characters of a word that the index keeps; the text decides on the rest."""
_EXCERPTS, _AROUND = 3, 24
_AT_ONCE, _MOST_CHECKED = 200, 10_000
"""Texts that are looked into at once, and at most for one page: then the page ends early, the next one goes on."""

_CHINESE = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WITHOUT_SPACES = f"[{_CHINESE}\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u0e00-\u0eff]"
"""Characters of scripts that set no spaces between words: Chinese, Japanese, Thai, Lao."""
_LETTER = f"(?!{_WITHOUT_SPACES})[^\\W_]"
"""Letters and digits of the others."""
_RUN = re.compile(f"{_WITHOUT_SPACES}+|(?:{_LETTER})+")
_IS_CHINESE = re.compile(_WITHOUT_SPACES)
_PUNCTUATION = re.compile(r"[\W_]+")
_PART = re.compile(r'"([^"]*)"|[^\s"]+')
_EDGE = "|"

_own = MetaData()
_texts = Table("words_text", _own, Column("call", BigInteger, primary_key=True), Column("text", LargeBinary))
_lexemes = Table("words", _own, Column("call", BigInteger, primary_key=True), Column("body", TSVECTOR))
_fts = table("words", column("rowid"), column("words"), column("body"))
_TEXT = select(_texts.c.text).where(_texts.c.call == bindparam("number"))
_FORGET_TEXT = delete(_texts).where(_texts.c.call == bindparam("number"))
_FORGET_LEXEMES = delete(_lexemes).where(_lexemes.c.call == bindparam("number"))
_INDEX_LEXEMES = insert(_lexemes).values(
    call=bindparam("number"), body=func.array_to_tsvector(cast(bindparam("entries"), ARRAY(String)))
)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A call that says the words."""

    call: CallRow
    snippets: tuple[str, ...]
    """Parts of its masked text around the words."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is searched for."""

    entries: tuple[str, ...]
    """Entries of the index that must all be there; one that ends in `*` is the beginning of an entry."""
    parts: tuple[str, ...]
    """What the text must contain, in the form of `runs_of`."""
    exact: bool
    """Whether the entries alone decide."""


class _Fold(dict[int, str]):
    """Characters in small letters of usual width, one by one, so that places in the text can be found again."""

    def __missing__(self, code: int) -> str:
        folded = unicodedata.normalize("NFKC", chr(code)).lower()
        self[code] = folded
        return folded


_FOLD = _Fold()


def index(connection: Connection, call_number: int, masked: str) -> None:
    """Make a call's text findable, in place of what was indexed for it before; lines are utterances."""
    unindex(connection, call_number)
    kept = unicodedata.normalize("NFC", masked)
    add_rows(connection, _texts, {"call": call_number, "text": zlib.compress(kept.encode("utf-8", "replace"))})
    entries = entries_of(kept)
    if connection.dialect.name == "postgresql":
        connection.execute(_INDEX_LEXEMES, {"number": call_number, "entries": entries})
    else:
        add_rows(connection, _fts, {"rowid": call_number, "body": " ".join(entries)})


def unindex(connection: Connection, call_number: int) -> None:
    """Make a call's text unfindable; one that is not indexed is no error."""
    old = _text_of(connection, call_number)
    if old is None:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_FORGET_LEXEMES, {"number": call_number})
    else:
        add_rows(connection, _fts, {"words": "delete", "rowid": call_number, "body": " ".join(entries_of(old))})
    connection.execute(_FORGET_TEXT, {"number": call_number})


def find(
    connection: Connection, *, words: str, reach: Reach, wanted: CallFilter, limit: int, after: str = ""
) -> Page[Hit]:
    """List calls within reach that say all the words, newest first; `after` is the key of the page before.

    Words are separated by spaces; what stands in "…" must be said in one piece. A page may be shorter than
    `limit` and yet have a next one. Raises InvalidRequestError for a query without words or too long.
    """
    query = read_query(words)
    chosen = _saying(connection, query).where(*conditions(reach, wanted))
    found: list[Hit] = []
    last, checked, more = int(after) if after else None, 0, True
    while more and len(found) <= limit and checked < _MOST_CHECKED:
        step = limit + 1 if query.exact else max(_AT_ONCE, 3 * checked)
        rows = _candidates(connection, chosen, last, step)
        more = len(rows) == step
        for row, packed in rows:
            said = zlib.decompress(packed).decode()
            if query.exact or says(said, query):
                found.append(Hit(call=row, snippets=excerpts(said, query)))
            if len(found) > limit:
                break
        last = rows[-1][0].id if rows else last
        checked += len(rows)
    if len(found) > limit:
        return Page(items=tuple(found[:limit]), next_key=str(found[limit - 1].call.id))
    return Page(items=tuple(found), next_key=str(last) if more else "")


def read_query(words: str) -> Query:
    """Read what somebody typed; raises InvalidRequestError."""
    if len(words) > MOST_CHARACTERS:
        raise InvalidRequestError(
            f"A search has at most {MOST_CHARACTERS} characters.", remedy="Search for fewer words."
        )
    parts: list[str] = []
    for match in _PART.finditer(unicodedata.normalize("NFC", words)):
        quoted = match.group(1)
        # Punctuation inside an unquoted word parts it: in the text it may stand elsewhere.
        pieces = [quoted] if quoted is not None else _PUNCTUATION.split(match.group().translate(_FOLD))
        parts += [_as_part(runs) for piece in pieces if (runs := _RUN.findall(piece.translate(_FOLD)))]
    if not parts:
        raise InvalidRequestError("The search holds no words.", remedy="Give at least one character or number.")
    parts = list(dict.fromkeys(parts))
    entries = tuple(dict.fromkeys(entry for part in parts for entry in _needed(part)))
    return Query(entries=entries, parts=tuple(parts), exact=all(_is_one_entry(part) for part in parts))


def entries_of(masked: str) -> list[str]:
    """Return the distinct entries of the index for a text, in order."""
    found: dict[str, None] = {}
    for run in _RUN.findall(masked.translate(_FOLD)):
        if _IS_CHINESE.match(run):
            found.update(dict.fromkeys(run[place : place + 2] for place in range(len(run))))
        else:
            found[run[:_LONGEST_WORD]] = None
    return list(found)


def runs_of(masked: str) -> str:
    """Write a text as its runs with edges between them: what a part of a query is looked for in."""
    lines = (_EDGE.join(_RUN.findall(line)) for line in masked.translate(_FOLD).split("\n"))
    return "\n".join(f"{_EDGE}{line}{_EDGE}" for line in lines)


def says(masked: str, query: Query) -> bool:
    """Whether a text contains every part of a query."""
    runs = runs_of(masked)
    return all(part in runs for part in query.parts)


def excerpts(masked: str, query: Query) -> tuple[str, ...]:
    """Cut out where a text says the words, one place per utterance, at most three."""
    found = []
    patterns = [_as_pattern(part) for part in query.parts]
    for line in masked.split("\n"):
        folded, places = _folded(line)
        match = next((match for pattern in patterns if (match := pattern.search(folded))), None)
        if match is not None:
            found.append(_around(line, places[match.start()], places[match.end() - 1] + 1))
        if len(found) == _EXCERPTS:
            break
    return tuple(found)


def _as_part(runs: Sequence[str]) -> str:
    """Runs side by side; words of other scripts must be whole, Chinese ones may be parts of longer ones."""
    first = "" if _IS_CHINESE.match(runs[0]) else _EDGE
    last = "" if _IS_CHINESE.match(runs[-1]) else _EDGE
    return f"{first}{_EDGE.join(runs)}{last}"


def _needed(part: str) -> Iterable[str]:
    """Entries of the index that a text with this part has."""
    for run in part.strip(_EDGE).split(_EDGE):
        if not _IS_CHINESE.match(run):
            yield run[:_LONGEST_WORD]
        elif len(run) == 1:
            yield f"{run}*"
        else:
            yield from (run[place : place + 2] for place in range(len(run) - 1))


def _is_one_entry(part: str) -> bool:
    run = part.strip(_EDGE)
    return _EDGE not in run and (len(run) <= 2 if _IS_CHINESE.match(run) else len(run) <= _LONGEST_WORD)


def _saying(connection: Connection, query: Query) -> Select[Any]:
    """Calls whose index has all entries. Entries are letters and digits only: there is nothing to escape."""
    postgresql = connection.dialect.name == "postgresql"
    and_, any_end = (" & ", ":*") if postgresql else (" AND ", "*")
    quote = "'" if postgresql else '"'
    terms = [f"{quote}{one.rstrip('*')}{quote}{any_end if one.endswith('*') else ''}" for one in query.entries]
    if not postgresql:
        matches = text("words MATCH :wanted").bindparams(wanted=and_.join(terms))
        return select(calls).where(calls.c.id.in_(select(_fts.c.rowid).where(matches)))
    found = func.words_saying(cast(and_.join(terms), TSQUERY)).table_valued(Column("call", BigInteger))
    found = found.render_derived(name="found")
    return select(calls).join(found, found.c.call == calls.c.id)


def _candidates(
    connection: Connection, chosen: Select[Any], before: int | None, limit: int
) -> list[tuple[CallRow, bytes]]:
    if before is not None:
        chosen = chosen.where(calls.c.id < before)
    # Texts are looked up for those that are shown only, not for all that are sorted.
    some = chosen.order_by(calls.c.id.desc()).limit(limit).subquery()
    query = select(some, _texts.c.text).join(_texts, _texts.c.call == some.c.id).order_by(some.c.id.desc())
    return [(of_row(row), row["text"]) for row in connection.execute(query).mappings()]


def _text_of(connection: Connection, call_number: int) -> str | None:
    packed = connection.execute(_TEXT, {"number": call_number}).scalar_one_or_none()
    return None if packed is None else zlib.decompress(packed).decode()


def _as_pattern(part: str) -> re.Pattern[str]:
    """A part as it stands in the text: between its runs there may be punctuation."""
    runs = part.strip(_EDGE).split(_EDGE)
    before = "" if _IS_CHINESE.match(runs[0]) else f"(?<!{_LETTER})"
    after = "" if _IS_CHINESE.match(runs[-1]) else f"(?!{_LETTER})"
    return re.compile(before + r"[\W_]*".join(re.escape(run) for run in runs) + after)


def _folded(line: str) -> tuple[str, Sequence[int]]:
    """A line in the form of the index, with the place of each of its characters in the line."""
    folded = line.translate(_FOLD)
    if len(folded) == len(line):  # no character becomes none, so that each became one
        return folded, range(len(line))
    return folded, [place for place, one in enumerate(line) for _ in _FOLD[ord(one)]]


def _around(line: str, start: int, end: int) -> str:
    first, last = max(0, start - _AROUND), min(len(line), end + _AROUND)
    return f"{'…' if first else ''}{line[first:last]}{'…' if last < len(line) else ''}"
