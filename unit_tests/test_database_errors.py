"""An error of a database is told by its cause and the next step, without its password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from amocrm_warehouse.database import reading
from amocrm_warehouse.database_address import remembered, without_password
from amocrm_warehouse.database_errors import check_rights, why

SERVER = 'connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            f'{SERVER}FATAL:  password authentication failed for user "ann"\n',
            'password authentication failed for user "ann". Correct the user in --to, or the password: in '
            "--to, or else in the environment variable PGPASSWORD.",
        ),
        (
            f'{SERVER}ВАЖНО:  пользователь "ann" не прошёл проверку подлинности (по паролю)',
            'пользователь "ann" не прошёл проверку подлинности (по паролю). Correct the user in --to, or the '
            "password: in --to, or else in the environment variable PGPASSWORD.",
        ),
        (
            "canceling statement due to statement timeout\n",
            "canceling statement due to statement timeout. It took longer than a statement may. Ask for fewer days or "
            "rows, or join less.",
        ),
        (
            f"{SERVER}fe_sendauth: no password supplied",
            "no password supplied. Put the user's password into the environment variable PGPASSWORD.",
        ),
        (
            f'{SERVER}FATAL:  database "crm" does not exist',
            'database "crm" does not exist. Create it (CREATE DATABASE "crm"), or correct the name at the end of --to.',
        ),
        (
            f'{SERVER}FATAL:  role "ann" does not exist',
            'role "ann" does not exist. Correct the user in --to, or create it (CREATE ROLE "ann" LOGIN PASSWORD …).',
        ),
        (
            f"{SERVER}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            f"{SERVER}Connection refused. Start the server, or correct the host and the port in --to.",
        ),
        (
            'could not translate host name "nohost" to address: Name or service not known',
            'could not translate host name "nohost" to address: Name or service not known. Correct the host in --to.',
        ),
        (
            f'{SERVER}FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "ann", database "crm", no encryption',
            'no pg_hba.conf entry for host "10.0.0.7", user "ann", database "crm", no encryption. Let the server\'s '
            "administrator add this user and this machine to pg_hba.conf. If the server wants TLS, set "
            "PGSSLMODE=require.",
        ),
        (
            'IO Error: Cannot open file "C:\\a\\crm.duckdb": The process cannot access the file.\n\nFile is '
            "already open in \nC:\\Program Files\\DBeaver\\dbeaver.exe (PID 77)",
            "C:\\a\\crm.duckdb is open in dbeaver.exe (process 77). Close it there, or wait for its end.",
        ),
        *(
            (said, f"{said}. Let the server's administrator run GRANT ALL ON `sales%`.* TO this user.")
            for said in (
                "Access denied for user 'ann'@'%' to database 'sales_marts'",
                "Access denied for user 'ann'@'%' to database 'sales'",
                "CREATE command denied to user 'ann'@'h' for table `sales_marts`.`deals`",
            )
        ),
        ("", "str"),
        ("disk I/O error at redshift://ann:p4ss@host/crm", "disk I/O error at redshift://ann@host/crm"),
    ],
)
def test_the_cause_comes_first_and_then_the_next_step(error: str, sentence: str) -> None:
    assert why(error) == sentence


def test_a_duckdb_file_in_use_names_the_program_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(duckdb.IOException) as caught, reading(str(path)):
            pass
        holder.communicate()
    program = Path(sys.executable).resolve().name
    assert why(caught.value) == (
        f"{path} is open in {program} (process {holder.pid}). Close it there, or wait for its end."
    )


def test_missing_rights_come_with_the_statement_that_grants_them() -> None:
    check_rights([])
    with pytest.raises(ValueError, match="may not create") as caught:
        check_rights(["GRANT CREATE ON DATABASE crm TO ann"])
    assert str(caught.value) == (
        "This PostgreSQL user may not create the tables. Let the owner of the database run GRANT CREATE ON DATABASE "
        "crm TO ann; and run again."
    )


def test_no_duckdb_file_is_made_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"
    with (
        pytest.raises(ValueError, match=rf"^There is no DuckDB file {path}\. Read an account into it"),
        reading(str(path)),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redshift://ann:p4ss@host:5439/crm", "redshift://ann@host:5439/crm"),
        ("postgresql://ann:p4:s@s@host/crm", "postgresql://ann@host/crm"),
        ("postgresql://ann@host/crm", "postgresql://ann@host/crm"),
        ("motherduck://crm?motherduck_token=abc&x=1 failed", "motherduck://crm?motherduck_token=****&x=1 failed"),
        ("The models over redshift://a:b@h/c failed: no.", "The models over redshift://a@h/c failed: no."),
        ("./crm.duckdb", "./crm.duckdb"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_a_password_is_left_out_also_where_a_driver_repeats_it_alone() -> None:
    assert remembered("mssql://ann:l0ng%2Fenough@host/crm") == "mssql://ann:l0ng%2Fenough@host/crm"
    assert without_password("login failed: PWD=l0ng/enough; l0ng%2Fenough") == "login failed: PWD=****; ****"
