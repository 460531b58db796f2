"""The limit of DuckDB's memory, for the report and for dbt; and what is said about a file of plans."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from amocrm_warehouse import models_command
from amocrm_warehouse.database import MEMORY, MOST_MEMORY, reading
from amocrm_warehouse.database_errors import MORE_MEMORY, why
from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.models_command import Built, add_options, limit_memory, main, sentence_of
from amocrm_warehouse.report import report_command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    duckdb.connect(str(tmp_path / "crm.duckdb")).close()
    return tmp_path / "crm.duckdb"


@pytest.mark.parametrize(
    ("options", "expected"), [([], "953.6 MiB"), (["--memory", "2GB"], "1.8 GiB"), (["--memory", "1.5 gib"], "1.5 GiB")]
)
def test_the_memory_of_duckdb_is_limited_and_what_does_not_fit_waits_beside_the_file(
    options: list[str], expected: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY, MOST_MEMORY)  # so that the variable is as before after the test
    monkeypatch.delenv(MEMORY)
    parser = argparse.ArgumentParser()
    add_options(parser)
    limit_memory(parser.parse_args(options))
    with reading(str(file)) as run:
        _, found = run("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
    assert found == [(expected, f"{file}.tmp")]


@pytest.mark.parametrize("size", ["2", "GB", "0GB", "2TB", "80%", "2GB; SET threads = 1"])
def test_a_size_that_is_none_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--memory", size])
    assert "argument --memory: a size such as 800MB or 2GB" in capsys.readouterr().err


def test_dbt_has_the_same_limit() -> None:
    profile = yaml.safe_load((PACKAGE / "profiles.yml").read_text(encoding="utf-8"))
    settings = profile["amocrm"]["outputs"]["duckdb"]["settings"]
    assert settings == {"memory_limit": f"{{{{ env_var('{MEMORY}', '{MOST_MEMORY}') }}}}"}


def test_too_little_memory_is_told_with_the_option_that_gives_more(file: Path) -> None:
    """Of the report's statements, and of a model, whose error dbt wraps in lines of its own."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET memory_limit = '1MB'; SET max_temp_directory_size = '0B'")
        with pytest.raises(duckdb.OutOfMemoryException) as error:
            connection.execute("CREATE TABLE t AS SELECT range AS id, repeat('x', 1000) AS name FROM range(100000)")
    assert why(error.value) == sentence_of(f"Runtime Error in model deals\n  {error.value}") == MORE_MEMORY


def test_plans_of_somebody_who_is_not_in_the_account_and_an_unfinished_sync_are_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user who is gone and has deals is no stranger; of an account without a table of users nobody knows."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA amocrm")
        for table, column, user in (("users", "user_id", 7), ("deals", "responsible_user_id", 8)):
            connection.execute(f"CREATE TABLE amocrm.amocrm_1001_{table} AS SELECT {user} AS {column}")
        connection.execute("CREATE TABLE amocrm.amocrm_1003_deals AS SELECT 8 AS responsible_user_id")
    plans = tmp_path / "plans.csv"
    lines = [f"{project},2026-11-01,{user},5" for project, user in ((1001, 999), (1001, 7), (1001, 8), (1003, 999))]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines]), encoding="utf-8")
    monkeypatch.setattr(models_command, "build", lambda *_, **__: Built(5, {}))
    monkeypatch.setattr(models_command, "cautions", lambda _: [("caution.unfinished", {"project": "1003"})])
    assert main(["--to", str(file), "--plans", str(plans), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.out == f"5 models of the projects 1001, 1003 are in {file}, the marts in the schema amocrm_marts.\n"
    assert said.err == (
        "The first sync of 1003 has not ended: its numbers are those of a part of the account. Run source-amocrm sync "
        "to its end, and build anew.\n"
        f"Line 2 of {plans}: the account 1001 has no user 999 and no deal of theirs, and this plan counts all the "
        "same. Correct the id or remove the line.\n"
    )


@pytest.mark.parametrize("hours", ["9-18", "1-5 18:00-9:00", "5-1 9:00-18:00", "1-5 9:00-24:30", "8 9:00-10:00", ""])
def test_working_hours_that_are_none_are_refused_before_anything_is_built(
    hours: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--to", "nowhere.duckdb", "--working-hours", hours, "--quiet"]) == 2
    assert capsys.readouterr().err == (
        f"The working hours “{hours}” are not known: write days from 1, which is Monday, to 7 and hours, as in 1-5 "
        "09:00-18:00, 6 10:00-15:00.\n"
    )


@pytest.mark.parametrize("days", ["01.05.2026", "2026-13-01", "2026-05-01; 2026-05-09", "2026-05-32"])
def test_days_off_that_are_none_are_refused_before_anything_is_built(
    days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--to", "nowhere.duckdb", "--days-off", days, "--quiet"]) == 2
    said = f"The day off “{days}” is not known: write days as in 2026-01-01, 2026-05-01.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("hours", ["1-5 09:00-18:00, 6 10:00-15:00", "7 0:00-24:00", "1-1 9:00-9:01"])
def test_working_hours_are_taken_as_the_models_take_them(hours: str) -> None:
    models_command.check_working_hours(hours)


@pytest.fixture
def people(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of one user. To build models in it fails."""

    def build(*_: Any, **__: Any) -> Built:
        raise AssertionError("dbt has begun")

    monkeypatch.setattr(models_command, "build", build)
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA amocrm")
        for table, row in {"users": "7 AS user_id, 'Анна Ким' AS name, 1", "groups": "'Розница' AS name, 1"}.items():
            connection.execute(f"CREATE TABLE amocrm.amocrm_1001_{table} AS SELECT {row} AS group_id")
        connection.execute("CREATE TABLE amocrm.amocrm_1001_account AS SELECT 'RUB' AS currency")
    return file


def test_an_unknown_time_zone_is_refused_before_anything_is_built(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--to", str(people), "--time-zone", "Moscow", "--quiet"]) == 2
    assert capsys.readouterr().err == (
        "The time zone Moscow is not known: write its name as in Europe/Moscow, or leave it out, and the account's own "
        "is taken.\n"
    )
    models_command.check_time_zone(str(people), "Europe/Moscow")


def test_a_project_without_tables_is_refused_before_anything_is_built(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A project is there if it has deals or an account; `north` has deals alone."""
    with duckdb.connect(str(people)) as connection:
        connection.execute("CREATE TABLE amocrm.amocrm_north_deals AS SELECT 1 AS deal_id")
    for command in (main, report_command.main):
        assert command(["--to", str(people), "--quiet", "--project", "1001,North,77"]) == 2
        assert capsys.readouterr().err == (
            "There are no tables of the project 77 in the schema amocrm of this database: read the account first "
            "(source-amocrm sync --project 77), or name another project or schema. There are: 1001, north.\n"
        )
        with pytest.raises(AssertionError, match="dbt has begun"):
            command(["--to", str(people), "--quiet", "--project", "1001,North"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--manager", "Пётр Первый"], "There is no manager “Пётр Первый”. There are: Анна Ким.\n"),
        (["--group", "Рознца"], "There is no group “Рознца”. Did you mean Розница? There are: Розница.\n"),
    ],
)
def test_people_who_are_not_there_are_refused_before_anything_is_built(
    options: list[str], sentence: str, people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_command.main(["--to", str(people), "--quiet", *options]) == 2
    assert capsys.readouterr().err == sentence


@pytest.fixture
def fields(people: Path) -> Path:
    """And of two fields of deals and one of contacts, which are listed or, if the list was not read, have values."""
    with duckdb.connect(str(people)) as connection:
        connection.execute(
            "CREATE TABLE amocrm.amocrm_1001_custom_fields AS SELECT * FROM (VALUES "
            "('leads', 11, NULL, 'Направление '), ('leads', 12, 'UTM_SOURCE', 'utm_source'), "
            "('contacts', 13, 'PHONE', 'Телефон'), ('catalogs', 14, 'SKU', 'Артикул')) "
            "AS fields (entity_type, custom_field_id, code, name)"
        )
        connection.execute(
            "CREATE TABLE amocrm.amocrm_1001_custom_fields_deals AS "
            "SELECT 15 AS custom_field_id, NULL AS field_code, 'Старое' AS name"
        )
    return people


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--by", "Напровление"], "There is no field of deals “Напровление”. Did you mean Направление? There are: "
                                  "Направление, utm_source.\n"),
        (["--by", "PHONE"], "There is no field of deals “PHONE”. There are: Направление, utm_source.\n"),
        (["--fields", "phone, 11, SKU"], "There is no field “SKU”. There are: Направление, utm_source, Телефон.\n"),
    ],
)  # fmt: skip
def test_a_field_that_is_not_there_is_refused_before_anything_is_built(
    options: list[str], sentence: str, fields: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (main, report_command.main):
        assert command(["--to", str(fields), "--quiet", *options]) == 2
        assert capsys.readouterr().err == sentence


def test_fields_that_are_there_were_there_or_are_not_known_go_on_to_the_models(fields: Path) -> None:
    with duckdb.connect(str(fields)) as connection:
        connection.execute("CREATE SCHEMA amocrm_staging")
        connection.execute(
            "CREATE TABLE amocrm_staging.int_own_fields AS SELECT 'deal' AS entity_type, 9 AS custom_field_id, "
            "NULL AS field_code, 'Прежнее' AS name_at_first"
        )
    for by in ("направление", "12", "Utm_Source", " Прежнее"):
        with pytest.raises(AssertionError, match="dbt has begun"):
            main(["--to", str(fields), "--quiet", "--by", by])
    with duckdb.connect(str(fields)) as connection:
        connection.execute("DROP TABLE amocrm.amocrm_1001_custom_fields")
    with pytest.raises(AssertionError, match="dbt has begun"):
        main(["--to", str(fields), "--quiet", "--by", "Старое"])
    with duckdb.connect(str(fields)) as connection:
        connection.execute("DROP TABLE amocrm.amocrm_1001_custom_fields_deals")
    with pytest.raises(AssertionError, match="dbt has begun"):
        main(["--to", str(fields), "--quiet", "--by", "Луна"])


def test_a_missing_default_file_is_told_with_the_option_that_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DB", raising=False)
    for command in (main, report_command.main):
        assert command(["--quiet"]) == 2
        assert capsys.readouterr().err == (
            f"There is no DuckDB file {tmp_path / 'amocrm.duckdb'}, which is read by default. Name the database into "
            "which an account was read: --to duckdb:///file.duckdb, or DB in the environment.\n"
        )


def test_people_whose_tables_were_not_read_are_left_to_the_marts(people: Path) -> None:
    with duckdb.connect(str(people)) as connection:
        connection.execute("DROP TABLE amocrm.amocrm_1001_groups")
    with pytest.raises(AssertionError, match="dbt has begun"):
        report_command.main(["--to", str(people), "--quiet", "--manager", "Пётр Первый"])
