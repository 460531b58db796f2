"""New rows replace the old ones in one transaction with the states that cover them; what a database remembers."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.database import MEMORY
from amocrm_warehouse.sync import load_queue
from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.sync.destination import LoadError
from amocrm_warehouse.sync.load_queue import Waiting
from amocrm_warehouse.sync.loader import EndedSync, HeldAccount
from testing.loads import ACCOUNT, loading, table, waiting

SCHEMA = {"properties": {"kind": {"type": "string"}, "id": {"type": "integer"}, "name": {"type": "string"}}}
HELD = "SELECT kind, id, name FROM amocrm.amocrm_1_things ORDER BY 1, 2"
TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'amocrm' ORDER BY 1"
NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"{tmp_path}/it's.duckdb"


def query(file: str, sql: str) -> list[Any]:
    with duckdb.connect(file) as connection:
        return connection.execute(sql).fetchall()


def taken(*rows: tuple[str, int, str], whole: bool = False, complete: bool = True) -> Waiting:
    things = Table("things", SCHEMA, ["kind", "id"], whole=whole)
    return waiting(things, [dict(zip(SCHEMA["properties"], row, strict=True)) for row in rows], complete=complete)


def test_rows_with_the_same_key_are_replaced(file: str) -> None:
    with loading(file) as loader:
        loader.load([taken(("a", 1, "old"), ("a", 2, "old"), ("b", 1, "old"))], {})
        loader.load([taken(("a", 1, "new"), ("c", 1, "new"))], {})
    assert query(file, HELD) == [("a", 1, "new"), ("a", 2, "old"), ("b", 1, "old"), ("c", 1, "new")]
    assert query(file, TABLES) == [("amocrm_1_state",), ("amocrm_1_things",)]


def test_a_whole_table_is_replaced_at_once_or_stays_as_it_was(file: str) -> None:
    with loading(file) as loader:
        loader.load([taken(("a", 1, "old"), ("a", 2, "old"), whole=True)], {"things": "1"})
        loader.load([taken(("a", 3, "new"), whole=True)], {"things": "2"})
    assert query(file, HELD) == [("a", 3, "new")]
    query(file, "ALTER TABLE amocrm.amocrm_1_things ALTER id TYPE TINYINT")
    with loading(file) as loader:
        assert loader.states() == {"things": "2"}
        with pytest.raises(LoadError, match=r"^The database did not take the rows of amocrm_1_things: "):
            loader.load([taken(("a", 2**40, "too large"), whole=True)], {"things": "3"})
    with loading(file) as loader:
        assert loader.states() == {"things": "2"}
    assert query(file, HELD) == [("a", 3, "new")]


def test_a_large_whole_table_is_collected_beside_the_old_one(file: str) -> None:
    """A sync that is killed, or a list that breaks off, leaves the old one, and the next sync what lies beside it."""
    with loading(file) as loader:
        loader.load([taken(("a", 1, "old"), ("a", 2, "old"), whole=True)], {"things": "1"})
        loader.load([taken(("a", 1, "new"), ("a", 3, "first"), whole=True, complete=False)], {})
    assert query(file, HELD) == [("a", 1, "old"), ("a", 2, "old")]
    assert ("amocrm_1_incoming_1",) in query(file, TABLES)
    with loading(file) as loader:
        loader.load([taken(("b", 0, "first"), ("b", 1, "first"), whole=True, complete=False)], {})
        loader.load([taken(("b", 2, "second"), ("b", 1, "later"), whole=True, complete=False)], {})
        loader.load([taken(("b", 3, "last"), whole=True)], {"things": "2"})
        assert loader.states() == {"things": "2"}
        loader.load([taken(("c", 1, "of a list that breaks off"), whole=True, complete=False)], {})
        loader.end(EndedSync(NOW, NOW, False, 1, "[]", "{}"))
    assert query(file, HELD) == [("b", 0, "first"), ("b", 1, "later"), ("b", 2, "second"), ("b", 3, "last")]
    assert query(file, TABLES) == [("amocrm_1_state",), ("amocrm_1_syncs",), ("amocrm_1_things",)]


def test_a_table_that_is_refreshed_stays_until_all_is_read_again(file: str) -> None:
    with loading(file) as loader:
        loader.personal_data = "old"
        loader.load([taken(("a", 1, "old"))], {"things": "1"})
    with loading(file) as loader:
        loader.personal_data = "new"
        assert (loader.outdated(), loader.refreshing(), loader.states()) == (["things"], set(), {"things": "1"})
        loader.refresh(["things"])
    with loading(file) as loader:
        loader.personal_data = "new"
        assert (loader.outdated(), loader.refreshing(), loader.states()) == (["things"], {"things"}, {})
        loader.load([taken(("a", 2, "new"), whole=True)], {"things": "2"})
        assert (loader.outdated(), loader.refreshing(), loader.states()) == ([], set(), {"things": "2"})
    assert query(file, HELD) == [("a", 2, "new")]


def test_rows_of_two_settings_are_outdated_for_both_until_they_are_read_again(file: str) -> None:
    for setting, number in (("keep", 1), ("drop", 2), ("keep", 3)):
        with loading(file) as loader:
            loader.personal_data = setting
            loader.load([taken(("a", number, setting))], {"things": str(number)})
            assert loader.outdated() == ["things"] * (number > 1)
    with loading(file) as loader:
        loader.personal_data = "keep"
        assert loader.outdated() == ["things"]
        loader.refresh(["things"])
        loader.load([taken(("a", 4, "keep"), whole=True)], {"things": "4"})
        assert loader.outdated() == []


def test_a_new_column_is_added_with_its_description_and_old_rows_have_none(file: str) -> None:
    described = {"name": {"type": ["null", "string"], "description": "It's a name."}}
    with loading(file) as loader:
        loader.load([waiting(table(), [{"lead_id": 1}, {"lead_id": 2}])], {"deals": "1"})
    with loading(file) as loader:
        assert loader.states() == {"deals": "1"}
        loader.load([waiting(table(described), [{"lead_id": 2, "name": "two"}])], {})
    assert query(file, "SELECT lead_id, name FROM amocrm.amocrm_1_deals ORDER BY 1") == [(1, None), (2, "two")]
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'amocrm_1_deals' AND column_name = 'name'"
    assert query(file, comments) == [("It's a name.",)]


def test_a_column_whose_kind_has_changed_is_refused_by_name(file: str) -> None:
    kinds = [{"cf_7_sum": {"type": ["null", kind]}} for kind in ("number", "string")]
    with loading(file) as loader:
        loader.load([waiting(table(kinds[0]), [{"lead_id": 1, "cf_7_sum": 2}])], {"deals": "1"})
    with (
        loading(file) as loader,
        pytest.raises(
            LoadError, match=r"^The column cf_7_sum of amocrm_1_deals holds the kind number, and amoCRM sends string "
        ),
    ):
        loader.load([waiting(table(kinds[1]), [{"lead_id": 1, "cf_7_sum": "two"}])], {"deals": "2"})
    query(file, "ALTER TABLE amocrm.amocrm_1_deals DROP COLUMN cf_7_sum")
    with loading(file) as loader:
        assert loader.states() == {}, "as the sentence says, it is read from the beginning"
        loader.load([waiting(table(kinds[1]), [{"lead_id": 1, "cf_7_sum": "two"}])], {"deals": "2"})
    assert query(file, "SELECT lead_id, cf_7_sum FROM amocrm.amocrm_1_deals") == [(1, "two")]


def test_a_table_without_its_key_is_refused_by_name(file: str) -> None:
    with loading(file) as loader:
        loader.load([waiting(table({"name": {"type": "string"}}), [{"lead_id": 1}])], {"deals": "1"})
    query(file, "ALTER TABLE amocrm.amocrm_1_deals DROP COLUMN lead_id")
    with loading(file) as loader, pytest.raises(LoadError, match=r"^The table amocrm_1_deals has lost its column lead"):
        loader.load([waiting(table(), [{"lead_id": 1}])], {})


def test_nothing_is_written_before_the_account_is_known(file: str) -> None:
    with loading(file, account=None) as loader:
        loader.refresh(["deals"])
        loader.end(EndedSync(NOW, NOW, False, 0, "[]", "{}"))
        assert loader.sizes(["deals"]) == {}
    assert not Path(file).exists()
    query(file, "CREATE TABLE mine AS SELECT 1 AS one")
    with loading(file, account=None):
        pass
    assert query(file, "SELECT * FROM mine") == [(1,)]


def test_a_file_without_a_byte_is_a_new_one(file: str) -> None:
    """An earlier version left one on a disk without room."""
    Path(file).touch()
    with loading(file) as loader:
        loader.load([taken(("a", 1, "one"))], {})
    assert query(file, HELD) == [("a", 1, "one")]
    assert Path(file).stat().st_mode & 0o777 == 0o600


def test_who_holds_the_file_in_this_process_is_told(file: str) -> None:
    with (
        loading(file),
        pytest.raises(LoadError, match=rf"^The database cannot be opened: {file} is open in this process\. Close it "),
        loading(file, "2"),
    ):
        pass


def test_projects_that_hold_an_account_are_found(file: str) -> None:
    for project, account in (("north", ACCOUNT), ("south", HeldAccount(6, "south")), ("again", ACCOUNT)):
        with loading(file, project, account=account) as loader:
            loader.load([waiting(table(), [])], {})
    for project, others in (("again", ["north"]), ("south", []), ("new", ["again", "north"])):
        with loading(file, project) as loader:
            assert loader.projects_beside() == others


def test_tables_of_another_version_of_sync_are_refused(file: str) -> None:
    query(file, "CREATE SCHEMA amocrm; CREATE TABLE amocrm._dlt_version (a INT)")
    query(file, "CREATE TABLE amocrm.amocrm_1_deals (a INT)")
    said = r"^The tables amocrm_1_… in this database were made by another version of sync, whose states this one does "
    with pytest.raises(LoadError, match=said), loading(file):
        pass
    with loading(file, "2") as loader:
        loader.load([waiting(table(), [])], {})


def test_a_later_version_of_the_states_is_refused(file: str) -> None:
    with loading(file) as loader:
        loader.load([waiting(table(), [])], {})
    query(file, """UPDATE amocrm.amocrm_1_state SET state = '{"version": 2}' WHERE stream = ''""")
    with pytest.raises(LoadError, match="were made by another version of sync"), loading(file):
        pass


def test_states_without_the_later_settings_have_their_defaults(file: str) -> None:
    with loading(file) as loader:
        loader.keep_deleted, loader.history, loader.history_days = True, {"deals"}, 30
        loader.load([waiting(table(), [])], {})
    with loading(file) as loader:
        assert (loader.keep_deleted, loader.history, loader.history_days) == (True, {"deals"}, 30)
    known = '{"version": 1, "account_id": 5, "subdomain": "example"}'
    query(file, f"UPDATE amocrm.amocrm_1_state SET state = '{known}' WHERE stream = ''")
    with loading(file) as loader:
        assert (loader.account, loader.keep_deleted, loader.history, loader.history_days) == (ACCOUNT, False, set(), 0)


def test_a_table_of_something_else_is_left_alone(file: str) -> None:
    query(
        file, "CREATE SCHEMA amocrm; CREATE TABLE amocrm.amocrm_1_deals (_airbyte_extracted_at TIMESTAMP, lead_id INT)"
    )
    with (
        loading(file) as loader,
        pytest.raises(LoadError, match=r"^Something else has made amocrm_1_deals in the schem"),
    ):
        loader.check_tables(["deals", "users"])


def test_duckdb_that_lacks_memory_says_what_to_do(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY, "4MB")
    monkeypatch.setattr(load_queue, "BYTES", 1)
    large = waiting(table({"raw": {"type": "string"}}), [{"lead_id": 1, "raw": "x" * 8_000_000}])
    with loading(file) as loader, pytest.raises(LoadError, match=r"AMOCRM_DUCKDB_MEMORY=4GB"):
        loader.load([large], {})


def test_a_log_that_does_not_fit_into_the_limit_is_replayed_with_more(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the file and its log is what a sync that was killed leaves."""
    wide = table({f"c{number}": {"type": "string"} for number in range(300)})
    rows = [{"lead_id": number, **{f"c{one}": "x" * 20 for one in range(300)}} for number in range(500)]
    killed = tmp_path / "killed.duckdb"
    with loading(file) as loader:
        loader.load([waiting(wide, [])], {})
        loader._database.execute("SET GLOBAL checkpoint_threshold = '1GB'")
        for number in range(4):
            loader.load([waiting(wide, rows[number::4])], {"deals": str(number)})
        for end in ("", ".wal"):
            shutil.copy(f"{file}{end}", f"{killed}{end}")
    monkeypatch.setenv(MEMORY, "8MB")
    with duckdb.connect(config={"memory_limit": "8MB"}) as connection, pytest.raises(duckdb.Error, match="replaying"):
        connection.execute(f"ATTACH '{killed}' AS killed")
    with loading(str(killed)) as loader:
        assert (loader.states(), loader.sizes(["deals"])) == ({"deals": "3"}, {"deals": 500})
