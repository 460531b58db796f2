"""Spark reads a lake of publish by the lines of the page: every row, every type, the columns of all accounts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from testing import small_marts
from testing.guides import block
from testing.leaks import clean
from testing.machine import JAVA, PLATFORMS
from testing.publishing import publish
from testing.small_marts import DEALS

pytestmark = pytest.mark.at_length

ROWS = """
rows = deals.orderBy("project_id", "deal_id").collect()
print(json.dumps([[deals.schema.simpleString()], *(list(row.asDict().values()) for row in rows)], default=str))
"""


def test_spark_reads_the_lake_by_the_lines_of_the_page(source: str, tmp_path: Path) -> None:
    """A custom field of one account is null in the rows of the other."""
    java, lake = JAVA.need(), tmp_path / "lake"
    publish(source, f"file://{lake}", "--only", "deals")
    small_marts.build(source, ["1001"], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, f"file://{lake}", "--only", "deals")
    lines = block("publish.md", "from pyspark.sql import ").replace("/srv/lake", str(lake))
    done = subprocess.run(
        [PLATFORMS / "bin" / "python", "-c", f"import json\n{lines}\n{ROWS}"],
        capture_output=True, text=True, timeout=900,
        env={
            "PATH": f"{java.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false pyspark-shell",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    *shown, found = clean(done.stdout).splitlines()
    [schema], *rows = json.loads(found)
    assert sorted(schema.removeprefix("struct<").removesuffix(">").replace("decimal(38,", "decimal(").split(",")) == [
        "budget:decimal(2)", "cf_1_size:decimal(9)", "chance:double", "day:date", "deal_id:bigint",
        "is_deleted:boolean", "labels:array<string>", "name:string", "note:string", "project_id:string",
        "seen_at:timestamp_ntz",
    ]  # fmt: skip
    deals = [[str(value) if index in (2, 4, 5) and value is not None else value for index, value in enumerate(row)]
             for row in DEALS]  # fmt: skip
    assert rows == [
        [*row, size, project] for project, size in (("1001", "1.500000000"), ("1002", None)) for row in deals
    ]
    assert [line.split("|")[1:3] for line in shown if " 100" in line] == [
        ["      1001", "    3"],
        ["      1002", "    3"],
    ]
