"""The demo's first run, which has no database yet."""

from __future__ import annotations

from pathlib import Path

from demo.__main__ import forget


def test_without_a_database_there_is_nothing_to_forget(tmp_path: Path) -> None:
    file = tmp_path / "demo.duckdb"
    forget(f"duckdb:///{file}", "amocrm_1001_")
    assert not file.exists()
