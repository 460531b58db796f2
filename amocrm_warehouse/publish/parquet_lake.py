"""A lake of Parquet files that publish writes: a folder, or a bucket that speaks S3.

Each table is a folder, and in it each account has the folder `project_id=<project>` with one file, as readers of Hive's
layout expect. A file is written beside its place under a name that readers skip, and then moved there at once: a
reader sees the file before or the file after. A process that is killed leaves at most a file that readers skip, and the
next run of the account writes over it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs, parquet

from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.publish.published_tables import PROJECT, Column, Source, Table, in_native_types
from amocrm_warehouse.publish.warehouse import PublishError, Warehouse, other_type


class ParquetLake(Warehouse):
    """`address`: file:///folder, or s3://bucket/folder with the keys in the environment."""

    def __init__(self, address: str) -> None:
        self._shown = without_password(address)
        parts = urlsplit(address)
        if parts.scheme == "file" and parts.netloc:
            raise ValueError(
                f"The folder of a lake is written with three slashes, from the root. Did you mean file:///"
                f"{without_password(parts.netloc + parts.path)}?"
            )
        if parts.query or parts.fragment or "@" in parts.netloc or (parts.scheme == "s3" and not parts.netloc):
            raise ValueError(
                "A lake is written file:///folder or s3://bucket/folder. The keys of a bucket come by the environment: "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL for another service than "
                "Amazon's."
            )
        self._root = parts.netloc + parts.path.rstrip("/")
        self._files: fs.FileSystem = (
            fs.LocalFileSystem()
            if parts.scheme == "file"
            else fs.S3FileSystem(
                region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
                endpoint_override=_endpoint(),
            )
        )

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:
        """Replaces a project's file of each table, one after another."""
        try:
            before = {table.full_name: self._columns_before(project, table) for table in tables}
            return {
                table.full_name: self._write(project, table, before[table.full_name], source.batches(table, folder))
                for table in tables
            }
        except (OSError, pa.ArrowException) as error:
            raise PublishError(self._why(error)) from None

    def _place(self, project: str, table: Table) -> str:
        return f"{self._root}/{table.schema}/{table.name}/{PROJECT}={project}"

    def _columns_before(self, project: str, table: Table) -> list[pa.Field]:
        """Returns the columns of the project's file that are gone now. Raises PublishError if one has another type."""
        path = f"{self._place(project, table)}/{table.name}.parquet"
        if self._files.get_file_info(path).type == fs.FileType.NotFound:
            return []
        with self._files.open_input_file(path) as file:
            schema = parquet.read_schema(file)
        now = {column.name: _field(column) for column in table.columns}
        for field in schema:
            if field.name in now and field.type != now[field.name].type:
                raise other_type(table.full_name, field.name, now[field.name].type, field.type)
        return [field for field in schema if field.name not in now]

    def _write(self, project: str, table: Table, gone: list[pa.Field], batches: Iterator[pa.RecordBatch]) -> int:
        place, count = self._place(project, table), 0
        under_way, target = f"{place}/.{table.name}.under-way", f"{place}/{table.name}.parquet"
        fields = [_field(column) for column in table.columns if column.name != PROJECT]
        schema = pa.schema([*fields, *gone])
        if isinstance(self._files, fs.LocalFileSystem):
            self._files.create_dir(place)
        try:
            with self._opened(under_way, target) as file, parquet.ParquetWriter(file, schema) as writer:
                for batch in batches:
                    count += batch.num_rows
                    native = in_native_types(batch, table)
                    columns = [native.column(field.name) for field in fields]
                    columns += [pa.nulls(batch.num_rows, field.type) for field in gone]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            self._files.move(under_way, target)
        except BaseException:
            with suppress(OSError):  # gives its room back to a disk that is full
                self._files.delete_file(under_way)
            raise
        return count

    def _opened(self, path: str, target: str) -> IO[bytes]:
        """Opens a new file, that of a killed run removed. In a folder it is no link, for its owner alone or as its
        target was."""
        if not isinstance(self._files, fs.LocalFileSystem):
            return self._files.open_output_stream(path)  # type: ignore[no-any-return]
        Path(path).unlink(missing_ok=True)
        mode = Path(target).stat().st_mode & 0o777 if Path(target).exists() else 0o600
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        Path(path).chmod(mode)
        return file

    def _why(self, error: Exception) -> str:
        said = without_password(" ".join(str(error).split()))
        known = {
            **dict.fromkeys(
                (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "The disk is full. Make room on it and publish again."
            ),
            errno.EACCES: "This user may not write there. Let the folder's owner grant it, or name another.",
            **dict.fromkeys(
                (errno.ENOTDIR, errno.EEXIST), "There is a file where the folder should be. Name another in --to."
            ),
            errno.EROFS: "The disk can only be read. Name another folder in --to.",
        }
        advice = known.get(getattr(error, "errno", None) or 0) or next(
            (advice for words, advice in S3_ADVICE.items() if words in said), f"{said}."
        )
        if isinstance(self._files, fs.S3FileSystem):
            if "NETWORK_CONNECTION" in said and not _endpoint():
                advice = "Amazon does not answer. Set AWS_ENDPOINT_URL if the bucket is of another service."
            if not os.environ.get("AWS_ACCESS_KEY_ID"):
                advice += " The keys are not set: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        return f"The lake {self._shown} did not take the tables: {advice} Files that were there stay readable."


S3_ADVICE = {
    "To create buckets": "There is no such bucket. Make it, or correct --to.",
    "NO_SUCH_BUCKET": "There is no such bucket. Make it, or correct --to.",
    "NoSuchBucket": "There is no such bucket. Make it, or correct --to.",
    **dict.fromkeys(
        ("QuotaExceeded", "StorageFull", "HTTP status 507"),
        "The bucket is full. Make room in it or raise its limit, and publish again.",
    ),
    "ACCESS_DENIED": "The keys may not write there. Let the owner of the bucket grant reading, writing and deleting.",
    "INVALID_ACCESS_KEY_ID": "The service does not know this key. Correct AWS_ACCESS_KEY_ID.",
    "SIGNATURE_DOES_NOT_MATCH": "The keys do not fit together. Correct AWS_SECRET_ACCESS_KEY.",
    "NETWORK_CONNECTION": "The service does not answer. Correct AWS_ENDPOINT_URL, or try again later.",
}
"""What is said about an error of S3, by words of its message."""


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, column.native_type)
