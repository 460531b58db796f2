"""What the page says of the tables that were read: which are missing or empty, and what the last verification found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
Note = dict[str, Any]
"""A sentence of texts.yaml with its values, of one account; `kind`: note or warning."""


def read_notes(tables: Mapping[str, Mapping[str, list[Any]]]) -> list[Note]:
    """Returns the sentences by account, of the page's tables `freshness`, `verified`, `unlisted` and `accounts`."""
    zones = {row["project_id"]: row["time_zone"] for row in rows(tables, "accounts")}
    return [
        *of_accounts(tables, "freshness", unread),
        *of_accounts(tables, "verified", lambda of: verified(of, zones)),
        *of_accounts(tables, "unlisted", unlisted),
    ]


def rows(tables: Mapping[str, Mapping[str, list[Any]]], name: str) -> list[Row]:
    table = tables.get(name, {})
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def of_accounts(tables: Mapping[str, Mapping[str, list[Any]]], name: str, told: Any) -> Iterator[Note]:
    for _, of in groupby(rows(tables, name), lambda row: row["project_id"]):
        yield from told(list(of))


def note(of: list[Row], kind: str, key: str, **values: tuple[str, Any]) -> Note:
    return {"project": of[0]["project_id"], "kind": kind, "key": key, "values": {n: list(v) for n, v in values.items()}}


def names(of: list[Row]) -> tuple[str, str]:
    return "text", ", ".join(row["source_table"] for row in of)


def unread(of: list[Row]) -> Iterator[Note]:
    used = [row for row in of if row["is_used"]]
    if absent := [row for row in used if not row["is_there"]]:
        yield note(of, "warning absent", "freshness.absent", tables=names(absent))
    if empty := [row for row in used if row["is_there"] and not row["row_count"]]:
        yield note(of, "note empty", "freshness.empty", tables=names(empty))


def verified(of: list[Row], zones: Mapping[str, str]) -> Iterator[Note]:
    failed = [row for row in of if row["has_failed"]]
    looked = [row for row in of if not row["has_failed"]]
    differing = [row for row in looked if row["differences"]]
    moment = of[0]["verified_at"].isoformat(timespec="seconds") + "Z"
    yield note(
        of, "warning verified" if differing else "note verified",
        "freshness.differs" if differing else "freshness.equal",
        time=("local", [moment, zones[of[0]["project_id"]]]), rows=("number", sum(row["looked_at"] for row in looked)),
        count=("number", sum(row["differences"] for row in looked)), differing=names(differing),
        part=("number", sum(not row["is_whole"] for row in looked)), tables=("number", len(looked)),
    )  # fmt: skip
    if failed:
        yield note(of, "warning verified", "freshness.unverified", tables=names(failed))


def unlisted(of: list[Row]) -> Iterator[Note]:
    counts = ", ".join(f"{row['source_table']} {row['listed_missing']}" for row in of)
    yield note(of, "warning unlisted", "freshness.unlisted", tables=("text", counts))
