"""Expected files, without those in the trash."""

from __future__ import annotations

from sandbox.account import Account

from .common import Row, stamp


def files(account: Account) -> list[Row]:
    if not account.switches.files_scope or account.switches.drive_url != "own":
        return []
    return [
        {
            "file_uuid": file["uuid"],
            "file_id": None,
            "version_uuid": file["version_uuid"],
            "has_multiple_versions": file["has_multiple_versions"],
            "name": file["name"],
            "sanitized_name": file["sanitized_name"],
            "type": file["type"],
            "extension": (file["metadata"] or {}).get("extension"),
            "mime_type": (file["metadata"] or {}).get("mime_type"),
            "size": file["size"],
            "metadata": file["metadata"],
            "previews": file["previews"],
            "source_id": file["source_id"],
            "created_by": file["created_by"]["id"],
            "created_by_type": file["created_by"]["type"],
            "updated_by": file["updated_by"]["id"],
            "updated_by_type": file["updated_by"]["type"],
            "created_at": stamp(file["created_at"]),
            "updated_at": stamp(file["updated_at"]),
            "is_trashed": False,
            "deleted_at": None,
            "deleted_by": None,
            "deleted_by_type": None,
        }
        for file in account.files
        if not file["is_trashed"]
    ]
