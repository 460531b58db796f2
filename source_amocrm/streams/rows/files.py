"""Rows of files."""

from __future__ import annotations

from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row, child

_FILES = Record("files", file_uuid="uuid", file_id="id")


def file(file: Json) -> Row:
    """The row of a file. Raises RowError when it has no uuid."""
    people = {
        f"{what}_by{part}": child(child(file, f"{what}_by"), name)
        for what in ("created", "updated", "deleted")
        for part, name in (("", "id"), ("_type", "type"))
    }
    metadata = child(file, "metadata")
    return _FILES(file, **people, extension=child(metadata, "extension"), mime_type=child(metadata, "mime_type"))
