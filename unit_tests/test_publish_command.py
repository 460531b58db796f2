"""`source-amocrm publish`: what cannot be is refused with what to write instead, before anything is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from amocrm_warehouse.publish.parquet_lake import ParquetLake
from amocrm_warehouse.publish.publish_command import main
from source_amocrm.run import install_command
from testing import small_marts
from testing.warehouse import ROOT

KINDS = "It writes to postgresql://…, mysql://…, clickhouse://…, file://…, s3://….\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DB", "PUBLISH_TO", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_AMOCRM_HOME", str(tmp_path / "home"))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--quiet", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_the_default_database_that_is_not_there_is_named_as_such(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "--to", f"file://{folder}/lake") == (
        f"There is no DuckDB file {folder}/amocrm.duckdb, which publish reads by default. Name the database in which "
        "the models are built: --from duckdb:///file.duckdb, or DB in the environment.\n"
    )


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (
            "/tmp/lake/out2",
            f"publish writes to no “/tmp/lake/out2”. A folder is written file:///tmp/lake/out2. {KINDS}",
        ),
        ("lake", f"publish writes to no “lake”. A folder is written file://{{folder}}/lake. {KINDS}"),
        ("fil:///lake", f"publish writes to no “fil”. Did you mean file://…? {KINDS}"),
        ("gopher://lake", f"publish writes to no “gopher”. {KINDS}"),
        (
            "file://tmp/lake/out3",
            "The folder of a lake is written with three slashes, from the root. Did you mean file:///tmp/lake/out3?\n",
        ),
    ],
)
def test_a_folder_is_shown_as_it_is_written(
    address: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "--from", "crm.duckdb", "--to", address) == sentence.format(folder=folder)


def test_a_warehouse_without_its_driver_is_told_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    said = refused(capsys, "--from", "crm.duckdb", "--to", "mysql://ann@127.0.0.1:1")
    assert said == f"Writing to MariaDB needs its driver: {install_command('mariadb')}\n"


def test_a_schema_of_tables_that_nothing_is_read_from_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, to = str(folder / "crm.duckdb"), f"file://{folder}/lake"
    small_marts.build(source, ["1001"])
    assert refused(capsys, "--from", source, "--to", to, "--dataset", "nosuch") == (
        "--dataset names the schema of the account's tables, and --only marts takes none of them. Leave out --dataset, "
        "or add tables to --only.\n"
    )
    assert refused(capsys, "--from", source, "--to", to, "--only", "marts,tables", "--dataset", "nosuch") == (
        "There are no tables amocrm_1001_… in the schema nosuch of this database. Name their schema with --dataset, or "
        "publish the marts alone.\n"
    )
    assert not (folder / "lake").exists()


@pytest.mark.parametrize(
    ("environment", "error", "advice"),
    [
        (
            {},
            "AWS Error NETWORK_CONNECTION",
            "Amazon does not answer. Set AWS_ENDPOINT_URL if the bucket is of another service. The keys are not set: "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "AWS Error ACCESS_DENIED",
            "The keys may not write there. Let the owner of the bucket grant reading, writing and deleting. The keys "
            "are not set: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "key"},
            "AWS Error NETWORK_CONNECTION",
            "The service does not answer. Correct AWS_ENDPOINT_URL, or try again later.",
        ),
    ],
)
def test_only_variables_that_are_set_are_to_be_corrected(
    environment: dict[str, str], error: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ParquetLake("s3://bucket/lake")._why(OSError(error)) == (
        f"The lake s3://bucket/lake did not take the tables: {advice} Files that were there stay readable."
    )


def test_the_pages_count_the_marts_that_there_are() -> None:
    count = len(list((ROOT / "amocrm_warehouse/dbt/models/marts").glob("*.sql")))
    for page, words in {
        "README.md": (f"{count} dbt marts", f"[{count} marts]"),
        "README.ru.md": (f"{count} витрин", f"[{count} витрин"),
        "docs/publish.md": (f"rows of {count} tables",), "docs/publish.ru.md": (f"rows of {count} tables",),
    }.items():  # fmt: skip
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [word for word in words if word not in text] == []
