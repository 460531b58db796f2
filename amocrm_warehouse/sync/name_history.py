"""Keeps the names that an account has had: amoCRM's lists name only what is there now, and each sync replaces them."""

from __future__ import annotations

from typing import NamedTuple

from amocrm_warehouse.sync.arrow_table import Shape
from amocrm_warehouse.sync.destination import Destination, literal, quoted

NAMES = Shape(
    "names",
    {
        "source_table": "string", "parent": "string", "id": "integer", "name": "string", "color": "string",
        "sort": "integer", "first_seen_at": "time", "gone_at": "time",
    },
    ["source_table", "parent", "id", "first_seen_at"],
)  # fmt: skip
"""The table of names. `parent`: the pipeline of a stage, the kind of card of a field or tag; empty without one.
`gone_at`: when a sync first found it removed, renamed, recoloured or moved; null while the account has it so."""


class Dictionary(NamedTuple):
    """The columns of a stream's table. `color` and `sort`: None if it has none."""

    id: str
    name: str = "name"
    parent: str | None = None
    color: str | None = None
    sort: str | None = None


DICTIONARIES = {
    "statuses": Dictionary("status_id", "status_name", "pipeline_id", "status_color", "status_sort"),
    "pipelines": Dictionary("pipeline_id", sort="sort"),
    "users": Dictionary("user_id"),
    "groups": Dictionary("group_id"),
    "roles": Dictionary("role_id"),
    "bots": Dictionary("bot_id"),
    "custom_fields": Dictionary("custom_field_id", parent="entity_type", sort="sort"),
    "loss_reasons": Dictionary("loss_reason_id", sort="sort"),
    "sources": Dictionary("source_id"),
    "tags": Dictionary("tag_id", parent="entity_type", color="color"),
    "task_types": Dictionary("task_type_id", color="color"),
    "customer_statuses": Dictionary("customer_status_id", color="color", sort="sort"),
    "catalogs": Dictionary("catalog_id", sort="sort"),
}
"""The dictionaries whose names are kept, by stream."""


def keep_names(database: Destination, stream: str, table: str, names: str) -> None:
    """Notes which names of a dictionary are new and which are gone. `table`: its rows as of now, `names`: all names."""
    one = DICTIONARIES[stream]
    values = {
        "parent": f"CAST({quoted(one.parent)} AS VARCHAR)" if one.parent else "''",
        "id": quoted(one.id),
        "name": quoted(one.name),
        "color": quoted(one.color) if one.color else "CAST(NULL AS VARCHAR)",
        "sort": quoted(one.sort) if one.sort else "CAST(NULL AS BIGINT)",
    }
    listed = ", ".join(f"{value} AS {name}" for name, value in values.items())
    # by the key alone PostgreSQL finds the pairs without comparing each name with each
    same = "now.parent = names.parent AND now.id = names.id" + "".join(
        f" AND now.{name} IS NOT DISTINCT FROM names.{name}" for name in ("name", "color", "sort")
    )
    kind = literal(stream)
    database.execute(
        f"UPDATE {names} AS names SET gone_at = current_timestamp WHERE source_table = {kind} AND gone_at IS NULL "
        f"AND NOT EXISTS (SELECT 1 FROM (SELECT {listed} FROM {table}) AS now WHERE {same})"
    )
    database.execute(
        f"INSERT INTO {names} SELECT {kind}, now.*, current_timestamp, NULL FROM (SELECT {listed} FROM {table}) AS now "
        f"WHERE NOT EXISTS (SELECT 1 FROM {names} AS names WHERE source_table = {kind} AND gone_at IS NULL AND {same})"
    )


def drop_names(database: Destination, stream: str, names: str) -> None:
    """Drops the names of a dictionary, whose personal data are replaced in another way from now on."""
    database.execute(f"DELETE FROM {names} WHERE source_table = {literal(stream)}")
