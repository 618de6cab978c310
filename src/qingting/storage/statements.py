"""What several modules of the storage need: inserts and updates, pages, the reach of an actor.

A statement of SQLAlchemy costs more to make than to run. Those that every report needs are therefore made once and
run with parameters: constants of their modules, or what the functions here keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Table,
    TableClause,
    Update,
    bindparam,
    false,
    insert,
    or_,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from qingting.model.account import Reach

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some of many rows, and how to ask for those after them."""

    items: tuple[T, ...]
    next_key: str = ""
    """Key of the last row, to be passed as `after`; empty on the last page."""


_PER_DAY = 10**10
"""A key of rows in order of days is the day, then ten digits of the row's number."""


def newest_day_first(table: FromClause) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Order of rows with `day` and `id`: a page of any period is read from an index, however many rows came since."""
    return table.c.day.desc(), table.c.id.desc()


def day_key(*, day: int, number: int) -> str:
    """Key of a row in the order of newest_day_first; up to 18 digits."""
    return str(day * _PER_DAY + number)


def after_day_key(table: FromClause, key: str) -> ColumnElement[bool]:
    """Condition that keeps the rows after a key."""
    return tuple_(table.c.day, table.c.id) < tuple_(*divmod(int(key), _PER_DAY))


def add_rows(connection: Connection, table: TableClause, *rows: Mapping[str, Any]) -> None:
    """Insert rows, values by column name, the same columns in all of them."""
    if rows:
        connection.execute(_inserting(table, frozenset(rows[0])), rows)


def add_numbered(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Insert a row as add_rows does; returns the `id` that the database numbers it with."""
    return int(connection.execute(_inserting_numbered(table, frozenset(row)), row).scalar_one())


def add_new(connection: Connection, table: Table, row: Mapping[str, Any], *, unique: tuple[str, ...] = ()) -> bool:
    """Insert a row unless one with the same values of `unique` is there, of any unique columns without; False then."""
    statement = _inserting_new(connection.dialect.name, table, frozenset(row), unique, told=True)
    return connection.execute(statement, row).first() is not None


def add_missing(connection: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    """Insert rows as add_rows does, but for those whose unique values are there."""
    if rows:
        statement = _inserting_new(connection.dialect.name, table, frozenset(rows[0]), (), told=False)
        connection.execute(statement, rows)


def change_rows(connection: Connection, table: TableClause, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Change columns of the rows that hold the values of `key`; both by column name."""
    parameters = {f"old_{name}": value for name, value in key.items()}
    parameters |= {f"new_{name}": value for name, value in values.items()}
    connection.execute(_updating(table, tuple(key), tuple(values)), parameters)


@cache
def _inserting(table: TableClause, given: frozenset[str]) -> Insert:
    _check_names(table, given)
    return insert(table)


@cache
def _inserting_numbered(table: Table, given: frozenset[str]) -> Any:
    return _inserting(table, given).returning(table.c.id)


@cache
def _inserting_new(dialect: str, table: Table, given: frozenset[str], unique: tuple[str, ...], *, told: bool) -> Any:
    _check_names(table, given)
    statement = _insert(dialect, table).on_conflict_do_nothing(index_elements=unique or None)
    return statement.returning(*table.primary_key) if told else statement


@cache
def _updating(table: TableClause, key: tuple[str, ...], names: tuple[str, ...]) -> Update:
    _check_names(table, names)
    held = (table.c[name] == bindparam(f"old_{name}") for name in key)
    return update(table).where(*held).values({name: bindparam(f"new_{name}") for name in names})


def _check_names(table: TableClause, given: Iterable[str]) -> None:
    """Refuse what SQLAlchemy would pass over in silence: parameters that are no columns."""
    if unknown := set(given).difference(table.c.keys()):
        raise KeyError(f"{table.name} has no columns {', '.join(sorted(unknown))}")


def insert_for(connection: Connection, table: Table) -> Any:
    """Begin an INSERT that may carry `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return _insert(connection.dialect.name, table)


def _insert(dialect: str, table: Table) -> Any:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def add_up(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or add their numbers to those that stand under the same key; other columns take the new value.

    Rows are written in the order of their keys, so that two writers never wait for each other in a circle.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = _adding(connection.dialect.name, table, frozenset(rows[0]))
    connection.execute(statement, sorted(rows, key=itemgetter(*keys)))


@cache
def _adding(dialect: str, table: Table, given: frozenset[str]) -> Any:
    """The statement of add_up: every report needs the same few, and making one costs more than running it."""
    statement = _insert(dialect, table)
    changed = {
        column.name: column + statement.excluded[column.name]
        if column.type.python_type in (int, float)
        else statement.excluded[column.name]
        for column in table.columns
        if column.name in given and not column.primary_key
    }
    keys = [column.name for column in table.primary_key]
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def within(reach: Reach, table: FromClause) -> ColumnElement[bool] | None:
    """Condition on a table with `agent_id` and `team` that keeps what is within reach; None when everything is."""
    if reach.everything:
        return None
    parts: list[ColumnElement[bool]] = []
    if reach.agent_id:
        parts.append(table.c.agent_id == reach.agent_id)
    if teams := [team for team in reach.teams if team]:
        parts.append(table.c.team.in_(teams))
    return or_(*parts) if parts else false()
