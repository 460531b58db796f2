"""What the tables are declared to hold is what they hold; and a sync tells once of what they do not."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import Account, Sandbox, Switches
from sandbox.store import Row
from source_amocrm.engine.stream_interface import Context
from source_amocrm.errors import AmocrmError
from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AccountStream, FixedStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.known_fields import KnownField
from source_amocrm.streams.per_entity import PerEntityStream
from source_amocrm.streams.schema_drift import KNOWN, SchemaDrift
from testing.connector import messages
from testing.offline import stream

Make = Callable[[Any], list[Row]]
ODD = (987_654, 987.5, "odd", "leads", True, False, None, [{"id": 987_654}], {"odd": 1})
"""What a field is given in turn, to see whether a row shows it."""
RECORDS = 4


def makers() -> dict[str, list[Make]]:
    """By the path of a list, what makes the rows of each table of its records."""
    found: dict[str, list[Make]] = {}
    for name in STREAMS:
        made = stream(name)

        def rows(record: Any, context: Context, made: Any = made) -> list[Row]:
            """What comes with `/account` is embedded there."""
            of_account = isinstance(made, AccountStream) and hasattr(made, "collection")
            records = record["_embedded"][made.collection] if of_account else [record]
            return [row for one in records for row in made.rows(one, context)]

        for path, context in inputs(made):
            found.setdefault(path, []).append(lambda record, rows=rows, context=context: rows(record, context))  # type: ignore[misc]
    return found


def inputs(made: Any) -> Iterator[tuple[str, Context]]:
    if isinstance(made, AccountStream):
        if not isinstance(made, FixedStream):
            yield ACCOUNT_PATH, Context()
    elif isinstance(made, IncrementalStream):
        for resource in made.inputs():
            yield resource.path, Context(resource.name)
    elif isinstance(made, PerEntityStream) and made.list_path:
        for path in KNOWN:
            of, part = path.rpartition(made.list_path)[:2]
            if part and path.endswith(part):
                yield path, Context(of.rpartition("/")[2])
    elif isinstance(made, FullRefreshStream) and made.list_path:
        yield made.list_path, Context()


def paths(known: KnownField, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every declared field, and whether it is declared to be held."""
    for name, place in sorted(known.inside.items()):
        if place.kept is None:
            yield from paths(place, (*before, name))
        else:
            yield (*before, name), place.kept


def put(record: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy of the record with the value at the path, in each element of a list on the way, and in one at least."""
    changed = copy.deepcopy(record)
    places = [changed]
    for name in path[:-1]:
        inner = [place[name] if place.get(name) else place.setdefault(name, {}) or {} for place in places]
        for place, found in zip(places, inner, strict=True):
            place[name] = found if found else [{"id": 1}]
        places = [one for place in places for one in (place[name] if isinstance(place[name], list) else [place[name]])]
    for place in places:
        place[path[-1]] = value
    return changed


def rows_of(make: Make, record: Any) -> Any:
    try:
        return make(record)
    except AmocrmError as error:
        return type(error)


def shows(makes: list[Make], records: list[Any], path: tuple[str, ...]) -> bool:
    """Whether any row depends on what stands there."""
    for record in records:
        for make in makes:
            seen = [rows_of(make, put(record, path, value)) for value in ODD]
            if any(one != seen[0] for one in seen):
                return True
    return False


@pytest.fixture(scope="module")
def met() -> dict[str, list[Any]]:
    """Records of every list, of accounts that show customers and amounts in either way."""
    found: dict[str, list[Any]] = {}

    class Kept(SchemaDrift):
        def look(self, path: str, body: Any) -> None:
            super().look(path, body)
            bare = "/".join(part for part in path.split("/") if not part.isdecimal())
            known = KNOWN.get(bare)
            if known is not None and body:
                embedded = body.get("_embedded") or {}
                records = embedded.get(known.collection, []) if known.collection else [body]
                found.setdefault(bare, []).extend(records[:RECORDS])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("source_amocrm.source.SchemaDrift", Kept)
        for switches in (Switches(), Switches(customers="periodicity", minor_units="absent")):
            for _ in messages(Sandbox(Account.generate(seed=2, leads=60, switches=switches))):
                pass
    return found


def test_every_list_that_is_read_is_declared(met: dict[str, list[Any]]) -> None:
    assert makers().keys() == KNOWN.keys()
    assert met.keys() == KNOWN.keys()


@pytest.mark.parametrize("path", KNOWN)
def test_a_row_shows_what_is_declared_to_be_held_and_nothing_that_is_left_out(
    path: str, met: dict[str, list[Any]]
) -> None:
    makes, declared = makers()[path], list(paths(KNOWN[path]))
    wrong = [(".".join(name), held) for name, held in declared if shows(makes, met[path], name) is not held]
    assert wrong == []


@pytest.mark.parametrize("new", [False, True])
def test_a_sync_tells_at_its_end_once_of_what_is_new_and_of_nothing_else(
    new: bool, caplog: pytest.LogCaptureFixture
) -> None:
    account = Account.generate(seed=2, leads=60)
    if new:
        for card in account.tables["leads"]:
            card["is_vip"] = True
            card["79260000000"] = "who it is"
    for _ in messages(Sandbox(account), [name for name in STREAMS if name != "live_entities"]):
        pass
    told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.partition(": ")[2].partition(". ")[0] for one in told] == (
        ["leads: is_vip (60); under other names (60)"] if new else []
    )
    assert not new or caplog.records[-1].getMessage() == told[0]
