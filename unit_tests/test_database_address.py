"""The address of a database, as people type it: what it names, and the sentence about what it cannot be."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from amocrm_warehouse import database_address
from amocrm_warehouse.database_address import duckdb_file, postgres_url
from amocrm_warehouse.publish import table_lock as module
from amocrm_warehouse.publish.table_lock import one_writer


@pytest.mark.parametrize("name", [r"C:\crm.duckdb", r"duckdb:///C:\crm.duckdb", r"C:\a\crm.duckdb"])
def test_a_drive_is_no_server_on_windows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="looks like a server's address"):
        duckdb_file(name)
    monkeypatch.setattr(database_address, "os", SimpleNamespace(name="nt"))
    assert duckdb_file(name).name.endswith("crm.duckdb")
    with pytest.raises(ValueError, match="looks like a server's address"):
        duckdb_file("host:5432/name")


def test_how_a_file_is_written_is_said() -> None:
    for name in ("duckdb:crm.duckdb", "duckdb:/crm.duckdb", "duckdb://crm.duckdb"):
        with pytest.raises(
            ValueError, match=r"^A DuckDB file is written duckdb:///file\.duckdb, or duckdb:////folder/"
        ):
            duckdb_file(name)


def test_a_file_that_cannot_be_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^The DuckDB file /\S+ cannot be opened: File name too long\.$"):
        duckdb_file(f"{tmp_path}/{'a' * 300}.duckdb")


def test_options_of_a_server_are_not_in_its_address() -> None:
    with pytest.raises(ValueError, match=r"Options come by the environment, TLS for example by PGSSLMODE\.$"):
        postgres_url("postgresql://user@host/crm?sslmode=verify-full")


def test_a_user_may_have_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that is started for a number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOURCE_AMOCRM_HOME", str(tmp_path))
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with (
        one_writer("file:///lake", "amocrm", "1"),
        pytest.raises(ValueError, match=f"process {os.getpid()} of a user without a name on {socket.gethostname()}, "),
        one_writer("file:///lake", "amocrm", "1"),
    ):
        pass


def test_a_folder_without_room_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "own_folder", lambda _: Path("/dev/full"))
    with (
        pytest.raises(
            ValueError, match=r"^The folder for temporary files /dev/full cannot be written: .+\. Name another"
        ),
        one_writer("file:///lake", "amocrm", "1"),
    ):
        pass
