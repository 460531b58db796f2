"""The limit of DuckDB's memory: `--memory` sets it for the connections of the report and for those of dbt."""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb
import pytest
import yaml

from amocrm_warehouse.database import MEMORY, MOST_MEMORY, reading
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.models_command import PACKAGE, add_options, limit_memory, sentence_of


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
    said = "DuckDB needs more memory than it may take. Give it more, as with --memory 4GB."
    assert why(error.value) == sentence_of(f"Runtime Error in model deals\n  {error.value}") == said
