"""New rows replace the old ones of a DuckDB file in one transaction, by one connection and without a staging schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.sync import duckdb_destination
from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.sync.destination import kind_of
from amocrm_warehouse.sync.loader import Loader
from amocrm_warehouse.sync.row_buffer import LoadError, Rows, TakenRows

SCHEMA = {"properties": {"kind": {"type": "string"}, "id": {"type": "integer"}, "name": {"type": "string"}}}
HELD = "SELECT kind, id, name FROM {things} ORDER BY 1, 2"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that the destination opens."""
    opened: list[Any] = []

    def connect(**settings: Any) -> Any:
        opened.append(duckdb.connect(**settings))
        return opened[-1]

    monkeypatch.setattr(duckdb_destination, "connect", connect)
    return opened


@pytest.fixture
def loader(tmp_path: Path, connections: list[Any]) -> Iterator[Loader]:
    address = f"duckdb:///{tmp_path}/it's.duckdb"
    loader = Loader(kind_of(address), address, project="1", dataset="amocrm", folder=tmp_path / "it's packages")
    loader.open()
    yield loader
    loader.close()
    assert len(connections) == 1


def taken(folder: Path, *rows: tuple[str, int, str], whole: bool = False) -> list[TakenRows]:
    waiting = Rows(Table("things", SCHEMA, ["kind", "id"], whole=whole), folder)
    waiting.add(waiting.table.batch([dict(zip(SCHEMA["properties"], row, strict=True)) for row in rows], 0))
    return [waiting.take()]


def test_rows_with_the_same_key_are_replaced(loader: Loader, tmp_path: Path) -> None:
    loader.load(taken(tmp_path, ("a", 1, "old"), ("a", 2, "old"), ("b", 1, "old")), {})
    loader.load(taken(tmp_path, ("a", 1, "new"), ("c", 1, "new")), {})
    assert loader.query(HELD, things="amocrm_1_things") == [
        ("a", 1, "new"), ("a", 2, "old"), ("b", 1, "old"), ("c", 1, "new"),
    ]  # fmt: skip
    schemas = "SELECT DISTINCT schema_name FROM duckdb_tables() WHERE database_name = 'attached'"
    assert loader.query(schemas) == [("amocrm",)]


def test_a_whole_table_is_replaced_at_once_or_stays_as_it_was(loader: Loader, tmp_path: Path) -> None:
    loader.load(taken(tmp_path, ("a", 1, "old"), ("a", 2, "old"), whole=True), {})
    loader.load(taken(tmp_path, ("a", 3, "new"), whole=True), {})
    assert loader.query(HELD, things="amocrm_1_things") == [("a", 3, "new")]
    loader.query("ALTER TABLE {things} ALTER id TYPE TINYINT", things="amocrm_1_things")
    with pytest.raises(LoadError, match=r"^The database did not take the rows: "):
        loader.load(taken(tmp_path, ("a", 2**40, "too large"), whole=True), {})
    assert loader.query(HELD, things="amocrm_1_things") == [("a", 3, "new")]
