"""An account leaves a fleet: its files, and with its data whatever the database and warehouses hold of it alone."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.fleet_command import main
from amocrm_fleet.fleet_remove import remove
from amocrm_fleet.locks import account_held
from amocrm_fleet.processes import log_of
from amocrm_fleet.status import LastSync, record
from amocrm_warehouse.projects import projects_of
from amocrm_warehouse.publish.publish_command import publish
from amocrm_warehouse.sync.loader import HeldAccount
from testing import small_marts
from testing.loads import loading, table, waiting

CONFIG = {"account_domain": "north.amocrm.ru", "credentials": {"auth_type": "long_lived_token", "access_token": "t"}}
STATES = "amocrm.amocrm_{}_state (stream varchar, state json)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two accounts whose names begin alike, with everything that a fleet keeps beside their configs."""
    found = tmp_path / "accounts"
    for name in ("north", "north-users"):
        account = add(found, CONFIG, name)
        record(account, LastSync(rows=1))
        with account_held(account):
            pass
        log_of(account).parent.mkdir(exist_ok=True)
        for path in (log_of(account), log_of(account).with_suffix(".log.1"), account.rotated):
            path.write_text(name, encoding="utf-8")
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with both accounts, of which the table of users of one begins as all tables of the other."""
    path = tmp_path / "crm.duckdb"
    small_marts.build(str(path), ["north", "north_users"])
    with closing(duckdb.connect(str(path))) as connection:
        for project in ("north", "north_users"):
            connection.execute(f"CREATE TABLE {STATES.format(project)}")
            connection.execute(f"INSERT INTO amocrm.amocrm_{project}_state VALUES ('', '{{}}'), ('users', '{{}}')")
        connection.execute("CREATE TABLE amocrm.amocrm_north_incoming_1 (user_id bigint)")
    return path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def held(file: Path) -> dict[str, list[str]]:
    """Returns the accounts in each table of the models, and the tables of accounts."""
    with closing(duckdb.connect(str(file), read_only=True)) as connection:
        rows = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY 2").fetchall()
        found = {"tables": [table for schema, table in rows if schema == "amocrm"]}
        for schema, table in rows:
            if schema != "amocrm" and table != "int_tables":
                projects = f"SELECT DISTINCT project_id FROM {schema}.{table} ORDER BY 1"
                found[table] = [project for (project,) in connection.execute(projects).fetchall()]
    return found


OF_THE_OTHER = {
    ".north-users.rotated.json", ".fleet/logs/north-users.log", ".fleet/logs/north-users.log.1",
    ".fleet/north-users.lock", ".fleet/north-users.status.json", "north-users.json",
}  # fmt: skip


def test_without_its_data_the_files_go_and_the_tables_stay(folder: Path, file: Path) -> None:
    before = held(file)
    done = remove(FleetAccount(folder / "north.json"), f"duckdb:///{file}", with_data=False)
    assert files(folder) == OF_THE_OTHER
    assert len(done.gone) == 6
    assert done.left[0] == (
        f"duckdb:///{file}: the tables amocrm_north_… and the rows of the project north in the marts. The same "
        "command with --with-data removes them later"
    )
    assert held(file) == before


def test_models_say_whose_the_tables_are_that_stay_until_the_account_is_synced_again(
    folder: Path, database: str
) -> None:
    def notes() -> tuple[str, ...]:
        return projects_of(database, "amocrm", None).notes

    for number, project in enumerate(("north", "north_users"), 1):
        with loading(database, project, account=HeldAccount(number, project)) as loader:
            loader.load([waiting(table(), [{"lead_id": 1}])], {})
    assert notes() == ()
    remove(FleetAccount(folder / "north.json"), database, with_data=False)
    assert notes() == (
        "The tables amocrm_north_… are of the account north, which was removed from its fleet on "
        f"{datetime.now(timezone.utc):%Y-%m-%d}, and the models have it. Leave it out with --project, or drop its "
        "tables.",
    )
    with loading(database, "north") as loader:
        loader.load([waiting(table(), [{"lead_id": 2}])], {})
    assert notes() == ()


def test_without_its_data_an_account_goes_though_the_database_does_not_answer(folder: Path) -> None:
    done = remove(FleetAccount(folder / "north.json"), "postgresql://u@127.0.0.1:1/x", with_data=False)
    assert files(folder) == OF_THE_OTHER
    assert done.left[1].startswith("postgresql://u@127.0.0.1:1/x: models will not say that this account was removed: ")
    assert "Start the server" in done.left[1]


def test_with_its_data_tables_rows_and_published_rows_go_and_no_other_accounts(
    folder: Path, file: Path, tmp_path: Path
) -> None:
    lake = (tmp_path / "lake").as_uri()
    publish(str(file), lake, only=["marts", "tables"])
    done = remove(
        FleetAccount(folder / "north.json"),
        f"duckdb:///{file}",
        with_data=True,
        published=[lake],
        only=["marts", "tables"],
    )
    assert files(folder) == OF_THE_OTHER
    marts = {name: ["north_users"] for name in ("deals", "freshness", "funnel", "int_accounts")}
    assert held(file) == {"tables": ["amocrm_north_users_state", "amocrm_north_users_users"], **marts}
    rows = {
        path: parquet.read_table(path, partitioning=None).num_rows for path in (tmp_path / "lake").rglob("*.parquet")
    }
    assert {bool(count) for path, count in rows.items() if "project_id=north/" in str(path)} == {False}
    assert {bool(count) for path, count in rows.items() if "project_id=north_users/" in str(path)} == {True}
    assert [line.partition(": ")[2] for line in done.gone[:2]] == [
        "the rows of 4 tables", "3 tables amocrm_north_…, and its rows in 4 tables of models",
    ]  # fmt: skip


def test_data_that_stayed_go_later_and_those_of_an_account_that_was_never_removed_do_not(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--accounts", str(folder), "--to", f"duckdb:///{file}"]
    (folder / "north-users.json").unlink()
    assert main(["remove", "north-users", "--with-data", *command]) == 2
    assert "There is no account “north-users”" in capsys.readouterr().err
    assert main(["remove", "north", *command]) == 0
    assert main(["remove", "north", "--with-data", *command]) == 0
    assert capsys.readouterr().out.split("Removed:\n")[-1].splitlines()[0] == (
        f"  duckdb:///{file}: 3 tables amocrm_north_…, and its rows in 4 tables of models"
    )
    assert held(file)["tables"] == ["amocrm_north_users_state", "amocrm_north_users_users"]
    assert not list(folder.rglob("north.*"))
    assert main(["remove", "north", "--with-data", *command]) == 2


def test_a_file_of_its_own_goes_whole(folder: Path, tmp_path: Path) -> None:
    small_marts.build(str(tmp_path / "amocrm-north.duckdb"), ["north"])
    done = remove(FleetAccount(folder / "north.json"), f"duckdb:///{tmp_path}/amocrm-{{name}}.duckdb", with_data=True)
    assert not (tmp_path / "amocrm-north.duckdb").exists()
    assert done.gone[0] == str(tmp_path / "amocrm-north.duckdb")


def test_an_account_that_is_being_synced_stays(folder: Path, file: Path) -> None:
    account, before = FleetAccount(folder / "north.json"), files(folder)
    with account_held(account), pytest.raises(FleetError, match="north is being synced or checked already"):
        remove(account, f"duckdb:///{file}", with_data=True)
    assert files(folder) == before


def test_what_cannot_be_removed_stays_with_its_files(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    (tmp_path / "no.duckdb").write_bytes(b"no database")
    with pytest.raises(FleetError, match=r"is no DuckDB file\. No file of north was removed\.$"):
        remove(FleetAccount(folder / "north.json"), f"duckdb:///{tmp_path}/no.duckdb", with_data=True)
    assert files(folder) == before


def test_the_command_lists_what_is_gone_and_what_is_left(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", "north", "--accounts", str(folder), "--to", f"duckdb:///{file}", "--with-data"]) == 0
    gone, left = capsys.readouterr().out.split("Left:\n")
    assert gone.splitlines()[:2] == [
        "Removed:", f"  duckdb:///{file}: 3 tables amocrm_north_…, and its rows in 4 tables of models",
    ]  # fmt: skip
    assert "amoCRM: the integration keeps its access until an administrator of the account removes it" in left
    assert main(["remove", "north", "--accounts", str(folder)]) == 2
    assert "There is no account “north”" in capsys.readouterr().err
