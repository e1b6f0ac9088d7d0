"""Reads the tables of Home Assistant's recorder by raw SQL; for threads of its executor.

SQLite hands over what belongs to an entity as one row of JSON lists: a row for each time would
hold the interpreter, and so the event loop, thousands of times for a moment. MariaDB and
PostgreSQL send all rows at once, so they are taken as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched, groupby, islice
import json
from operator import itemgetter, le
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from sqlalchemy.orm.session import Session

NAMES: Final = 500
"""Entities, or attributes, that are looked up together."""

_OF_STATES: Final = """
FROM states
WHERE metadata_id IN ({ids}) AND last_updated_ts > :after AND last_updated_ts <= :last
"""
_OF_HOURS: Final = """
FROM statistics
WHERE metadata_id IN ({ids}) AND start_ts >= :after AND start_ts <= :last
"""
_STATES: Final = ("last_updated_ts", "state", "attributes_id")
_FOUND_STATES: Final = "SELECT metadata_id, entity_id FROM states_meta WHERE entity_id IN :some"
_FOUND_STATISTICS: Final = (
    "SELECT id, statistic_id, unit_of_measurement FROM statistics_meta"
    " WHERE source = 'recorder' AND statistic_id IN :some"
)
_FOUND_ATTRIBUTES: Final = (
    "SELECT attributes_id, shared_attrs FROM state_attributes WHERE attributes_id IN :some"
)


class Lists(NamedTuple):
    """What was recorded of an entity, oldest first."""

    number: int
    """The entity's."""
    times: Sequence[float]
    """s since 1970; the same object as that of the entity before, if they are the same."""
    columns: Sequence[Sequence[Any]]


def states(session: Session, ids: Iterable[int], after: float, last: float) -> list[Lists]:
    """Return states and the numbers of their attributes, after a time and up to another."""
    return list(_lists(session, _STATES, _OF_STATES, ids, after, last))


def hours(
    session: Session, columns: Sequence[str], ids: Iterable[int], first: float, last: float
) -> list[Lists]:
    """Return columns of hourly statistics that begin in a span."""
    return list(_lists(session, ("start_ts", *columns), _OF_HOURS, ids, first, last))


def numbers_of(session: Session, entities: Iterable[str]) -> dict[str, int]:
    """Return the numbers under which states of entities are recorded."""
    return {name: number for number, name in _looked_up(session, _FOUND_STATES, entities)}


def statistics_of(session: Session, entities: Iterable[str]) -> dict[str, tuple[int, str | None]]:
    """Return the numbers under which statistics of entities are recorded, and their units."""
    found = _looked_up(session, _FOUND_STATISTICS, entities)
    return {name: (number, unit) for number, name, unit in found}


def attributes_of(session: Session, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return attributes by their number."""
    found = _looked_up(session, _FOUND_ATTRIBUTES, ids)
    return {number: json.loads(shared) if shared else {} for number, shared in found}


def _looked_up(session: Session, statement: str, keys: Iterable[object]) -> Iterator[Any]:
    from sqlalchemy import bindparam, text

    expanded = text(statement).bindparams(bindparam("some", expanding=True))
    for some in batched(keys, NAMES, strict=False):
        yield from session.execute(expanded, {"some": some})


def _lists(
    session: Session,
    columns: Sequence[str],
    source: str,
    ids: Iterable[int],
    after: float,
    last: float,
) -> Iterator[Lists]:
    listed = source.format(ids=",".join(map(str, sorted(ids))))
    span = {"after": after, "last": last}
    if session.get_bind().dialect.name == "sqlite":
        lists = ", ".join(f"json_group_array({column})" for column in columns)
        statement = f"SELECT metadata_id, {lists} {listed} GROUP BY metadata_id"
        return _parsed(_fetched(session, statement, span))
    statement = (
        f"SELECT metadata_id, {', '.join(columns)} {listed} ORDER BY metadata_id, {columns[0]}"
    )
    return _grouped(_fetched(session, statement, span))


def _parsed(rows: Iterable[tuple[Any, ...]]) -> Iterator[Lists]:
    """Yield what SQLite listed. It lists in the order of the index it used, and need not."""
    text = ""
    times: Sequence[float] = ()
    for number, stamps, *texts in rows:
        if stamps != text:
            text, times = stamps, _array(stamps)
        columns = [_array(column) for column in texts]
        if not all(map(le, times, islice(times, 1, None), strict=False)):
            ordered = sorted(zip(times, *columns, strict=True), key=itemgetter(0))
            times, *columns = map(list, zip(*ordered, strict=True))
            text = ""
        yield Lists(number, times, columns)


def _array(text: str) -> list[Any]:
    found: list[Any]
    try:
        found = orjson.loads(text)
    except ValueError:
        # It does not take what is infinite.
        found = json.loads(text)
    return found


def _grouped(rows: Iterable[tuple[Any, ...]]) -> Iterator[Lists]:
    times: Sequence[float] = ()
    for number, group in groupby(rows, itemgetter(0)):
        _, own, *columns = zip(*group, strict=True)
        if own != times:
            times = own
        yield Lists(number, times, columns)


def _fetched(session: Session, statement: str, span: dict[str, float]) -> list[tuple[Any, ...]]:
    """Return rows as the driver of the database makes them: Row objects cost more than the query."""
    from sqlalchemy import text

    result: Any = session.execute(text(statement), span)
    rows: list[tuple[Any, ...]] = list(result.cursor.fetchall())
    result.close()
    return rows
