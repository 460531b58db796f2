"""`source-amocrm publish` into a lake of Parquet, in a folder and in S3; ClickHouse's engine and DuckDB read it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import chdb
import duckdb
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from pyarrow import fs, parquet
from werkzeug.serving import make_server

from testing import small_marts
from testing.connector import COMMAND
from testing.leaks import clean
from testing.publishing import killed, publish, refused, run
from testing.small_marts import DEALS

S3 = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cretOfTheBucket", "AWS_REGION": "ru-central1"}
READ = (
    "SELECT deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note FROM read_parquet('{}', "
    "hive_partitioning = true, hive_types = {{'project_id': varchar}}, union_by_name = true) "
    "WHERE project_id = '{}' ORDER BY 1"
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """The environment of a service that speaks S3, with the bucket `lake`.

    It refuses what an access key called `<status>-<code>-<methods>` asks for by one of these methods.
    """
    moto = DomainDispatcherApplication(create_backend_app)

    def service(request: dict[str, Any], start: Any) -> Any:
        key = re.search(r"Credential=(\d+)-(\w+)-([A-Z]+)", request.get("HTTP_AUTHORIZATION", ""))
        if not key or request["REQUEST_METHOD"] not in key[3]:
            return moto(request, start)
        start(f"{key[1]} Refused", [("Content-Type", "application/xml")])
        return [f"<?xml version='1.0'?><Error><Code>{key[2]}</Code><Message>No.</Message></Error>".encode()]

    server = make_server("127.0.0.1", 0, service, threaded=True)
    threading.Thread(target=server.serve_forever).start()
    environment = {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
    files(environment).create_dir("lake")
    yield environment
    server.shutdown()


def files(bucket: dict[str, str]) -> fs.FileSystem:
    return fs.S3FileSystem(
        access_key=bucket["AWS_ACCESS_KEY_ID"], secret_key=bucket["AWS_SECRET_ACCESS_KEY"], region="ru-central1",
        endpoint_override=bucket["AWS_ENDPOINT_URL"], allow_bucket_creation=True,
    )  # fmt: skip


def written(bucket: dict[str, str], place: str) -> dict[str, tuple[int, int]]:
    """When each file of a folder was written, and how large it is."""
    found = files(bucket).get_file_info(fs.FileSelector(place.removeprefix("s3://"), recursive=True))
    return {one.path: (one.mtime_ns, one.size) for one in found if one.is_file}


def deals(lake: Path, project: str) -> list[tuple[Any, ...]]:
    with closing(duckdb.connect()) as connection:
        return connection.execute(READ.format(lake / "amocrm_marts/deals/*/*.parquet", project)).fetchall()


def names(lake: Path) -> list[str]:
    return sorted(path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file())


def test_a_folder_holds_a_file_for_each_account_and_table(source: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    said = publish(source, f"file://{lake}", "--only", "marts,tables")
    assert said == "".join(f"{name}: 6 rows of 4 tables are in file://{lake}.\n" for name in ("1001", "1002"))
    assert names(lake) == [
        f"{table}/project_id={project}/{table.partition('/')[2]}.parquet"
        for table in ("amocrm/users", "amocrm_marts/deals", "amocrm_marts/freshness", "amocrm_marts/funnel")
        for project in ("1001", "1002")
    ]
    assert deals(lake, "1001") == deals(lake, "1002") == DEALS
    schema = parquet.read_schema(lake / "amocrm_marts/deals/project_id=1001/deals.parquet")
    assert {name: str(kind) for name, kind in zip(schema.names, schema.types, strict=True)} == {
        "deal_id": "int64", "name": "string", "budget": "decimal128(38, 2)", "is_deleted": "bool", "day": "date32[day]",
        "seen_at": "timestamp[us]", "labels": "list<element: string>", "chance": "double", "note": "string",
    }  # fmt: skip


def test_one_account_is_replaced_and_a_column_that_is_gone_stays_null(source: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    small_marts.build(source, ["1001", "1002"], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, f"file://{lake}")
    small_marts.build(source, ["1001", "1002"], deals=DEALS[:1])
    publish(source, f"file://{lake}", "--project", "1001")
    assert (deals(lake, "1001"), deals(lake, "1002")) == (DEALS[:1], DEALS)
    for count, project, size in ((1, "1001", None), (3, "1002", 1.5)):
        table = parquet.read_table(lake / f"amocrm_marts/deals/project_id={project}/deals.parquet")
        assert [None if one is None else float(one) for one in table["cf_1_size"].to_pylist()] == [size] * count
    small_marts.build(source, ["1001"], extra=", cf_1_size varchar")
    assert refused(source, f"file://{lake}") == (
        "The column cf_1_size of amocrm_marts.deals is string here and decimal128(38, 9) in the warehouse. Drop the "
        "table amocrm_marts.deals there and publish every account again, or leave this table out with --only.\n"
    )
    small_marts.build(source, ["1001"], deals=[])
    publish(source, f"file://{lake}", "--project", "1001")
    assert (deals(lake, "1001"), deals(lake, "1002")) == ([], DEALS)


def test_a_reader_sees_the_file_before_or_the_file_after(source: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    publish(source, f"file://{lake}", "--project", "1001")
    seen, done = set[int](), threading.Event()

    def read() -> None:
        with closing(duckdb.connect()) as connection:
            while not done.is_set():
                path = lake / "amocrm_marts/funnel/*/*.parquet"
                [(count,)] = connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()
                seen.add(count)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for stages in (5_000, 30_000):
            small_marts.build(source, ["1001"], stages=stages)
            publish(source, f"file://{lake}")
    finally:
        done.set()
        reader.join()
    assert {1, 30_000} <= seen <= {1, 5_000, 30_000}


def test_killed_while_it_writes_it_leaves_the_file_before(source: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    publish(source, f"file://{lake}", "--project", "1001")
    before = names(lake)
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    dead = run(source, f"file://{lake}", constants={"amocrm_warehouse.publish.parquet_lake.in_native_types": killed})
    assert dead.returncode == -signal.SIGKILL
    assert deals(lake, "1001") == DEALS
    publish(source, f"file://{lake}")
    assert deals(lake, "1001") == DEALS[:1]
    assert names(lake) == before


def test_a_bucket_holds_the_same_files(source: str, bucket: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    publish(source, f"file://{folder}")
    assert run(source, "s3://lake/crm", environment=bucket).returncode == 0
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    done = run(source, "s3://lake/crm", environment=bucket)
    assert done.stdout == "1001: 3 rows of 3 tables are in s3://lake/crm.\n", done.stderr
    assert sorted(path.removeprefix("lake/crm/") for path in written(bucket, "s3://lake/crm")) == names(folder)
    fs.copy_files("lake/crm", str(folder), source_filesystem=files(bucket), destination_filesystem=fs.LocalFileSystem())
    assert (deals(folder, "1001"), deals(folder, "1002")) == (DEALS[:1], DEALS)


def test_the_engine_of_clickhouse_reads_the_folder_and_the_bucket(
    source: str, bucket: dict[str, str], tmp_path: Path
) -> None:
    """By the statements of the page."""
    publish(source, f"file://{tmp_path}/lake")
    assert run(source, "s3://lake/click", environment=bucket).returncode == 0
    wanted = '"1001",1,"Плитка «Мир» 🏠",1234567890123456789012345678901234.56,"[\'а\',\'б ""в""\']"\n'
    for place in (
        f"file('{tmp_path}/lake/amocrm_marts/deals/*/*.parquet')",
        f"s3('{bucket['AWS_ENDPOINT_URL']}/lake/click/amocrm_marts/deals/*/*.parquet', 'key', 's3cretOfTheBucket')",
    ):
        query: Any = chdb.query
        found = query(
            f"SELECT toString(project_id), deal_id, name, budget, labels FROM {place} WHERE project_id = 1001 "
            "ORDER BY deal_id LIMIT 1 SETTINGS use_hive_partitioning = 1",
            "CSV",
        )
        assert str(found) == wanted


def test_what_cannot_be_is_told_in_a_sentence(source: str, bucket: dict[str, str], tmp_path: Path) -> None:
    how = (
        "A lake is written file:///folder or s3://bucket/folder. The keys of a bucket come by the environment: "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL for another service than "
        "Amazon's.\n"
    )
    for address in ("file:///srv/lake?x=1", "s3:///lake", "s3://key:secret@bucket/lake", "s3://bucket/lake?region=x"):
        assert refused(source, address) == how
    assert refused(source, "s4://lake") == (
        "publish writes to no “s4”. It writes to postgresql://…, mysql://…, clickhouse://…, file://…, s3://….\n"
    )
    (tmp_path / "file").write_text("mine")
    for lake in (f"file://{tmp_path}/file/lake", f"file://{tmp_path}/file"):
        assert refused(source, lake) == (
            f"The lake {lake} did not take the tables: There is a file where the folder should be. Name another in "
            "--to. Files that were there stay readable.\n"
        )
    assert refused(source, "s3://none/lake", environment=bucket) == (
        "The lake s3://none/lake did not take the tables: There is no such bucket. Make it, or correct --to. Files "
        "that were there stay readable.\n"
    )
    nobody = {**bucket, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert "The service does not answer. Correct AWS_ENDPOINT_URL" in refused(
        source, "s3://lake/crm", environment=nobody
    )


def test_a_disk_that_is_full_keeps_the_files_that_were_there(source: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    publish(source, f"file://{lake}", "--project", "1001")
    before = names(lake)
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    command = shlex.join([str(COMMAND), "publish", "--quiet"])
    line = f"ulimit -f 1; trap '' XFSZ; exec {command}"  # as on a full disk, no file may grow beyond a block
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "DB": source, "PUBLISH_TO": f"file://{lake}"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, clean(done.stderr)) == (
        2, "",
        f"The lake file://{lake} did not take the tables: The disk is full. Make room on it and publish again. Files "
        "that were there stay readable.\n",
    )  # fmt: skip
    assert deals(lake, "1001") == DEALS
    assert names(lake) == before, "the file that was begun gives its room back"
    publish(source, f"file://{lake}")
    assert deals(lake, "1001") == DEALS[:1]


DENIED = "The keys may not write there. Let the owner of the bucket grant reading, writing and deleting."
FULL = "The bucket is full. Make room in it or raise its limit, and publish again."


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        ("403-AccessDenied-GETHEAD", DENIED),
        ("403-AccessDenied-POSTPUT", DENIED),
        ("403-QuotaExceeded-PUT", FULL),
        ("507-XMinioStorageFull-POST", FULL),
        ("403-SignatureDoesNotMatch-POST", "The keys do not fit together. Correct AWS_SECRET_ACCESS_KEY."),
    ],
)
def test_a_bucket_that_refuses_keeps_its_files(source: str, bucket: dict[str, str], refusal: str, why: str) -> None:
    place = f"s3://lake/{refusal}"
    assert run(source, place, "--only", "funnel", environment=bucket).returncode == 0
    before = written(bucket, place)
    assert refused(source, place, "--only", "funnel", environment={**bucket, "AWS_ACCESS_KEY_ID": refusal}) == (
        f"The lake {place} did not take the tables: {why} Files that were there stay readable.\n"
    )
    assert written(bucket, place) == before
    assert len(before) == 2


def test_a_file_is_its_owners_and_is_written_through_no_link(tmp_path: Path) -> None:
    file, lake, other = str(tmp_path / "crm.duckdb"), tmp_path / "lake", tmp_path / "other"
    small_marts.build(file, ["1001"])
    place = lake / "amocrm_marts" / "deals" / "project_id=1001"
    place.mkdir(parents=True)
    other.write_text("of somebody else", encoding="utf-8")
    (place / ".deals.under-way").symlink_to(other)
    publish(file, lake.as_uri())
    assert other.read_text(encoding="utf-8") == "of somebody else"
    assert (place / "deals.parquet").stat().st_mode & 0o777 == 0o600
    (place / "deals.parquet").chmod(0o640)
    publish(file, lake.as_uri())
    assert (place / "deals.parquet").stat().st_mode & 0o777 == 0o640, "whom its owner lets read goes on reading"
