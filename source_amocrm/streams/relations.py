"""Foreign keys: which column refers to which table. Each stream declares its own.

A column that refers to a table holds the last column of that table's key; a column of lists holds many such values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Own:
    """The value of this column in the referring row."""

    column: str


@dataclass(frozen=True)
class Relation:
    """A reference to one table.

    `key`: the values of the other columns of the table's key, as far as they are known. `nothing`: values that refer to
    no row. `absent`: why the row may be missing in the table; empty if it never is.
    """

    table: str
    key: Mapping[str, str | Own] = field(default_factory=dict)
    nothing: tuple[int, ...] = ()
    absent: str = ""


@dataclass(frozen=True)
class OneOf:
    """A reference to one of several tables, chosen by the value of the column `by`. Other values refer to no table."""

    by: str
    tables: Mapping[str | int, Relation]


Relations = Mapping[str, Relation | OneOf]
"""By column."""

REMOVED = "What was removed is in no list of amoCRM's."
OUT_OF_SIGHT = "It was deleted before the first sync or merged into another, or it waits in «Неразобранное»."
ROBOT = 0
CLIENT = -1

USER = Relation("users", absent=REMOVED)
AUTHOR = Relation("users", nothing=(ROBOT,), absent=REMOVED)
FILE_AUTHOR = Relation("users", nothing=(ROBOT, CLIENT), absent=REMOVED)
NOTE_OWNER = Relation("users", nothing=(ROBOT,), absent=f"{REMOVED} Notes of robots have the id of the account.")
ACCOUNT = Relation("account")
GROUP = Relation("groups", absent=REMOVED)
ROLE = Relation("roles")
SOURCE = Relation("sources", absent="amoCRM lists those of the integration that the token belongs to.")

DEAL = Relation("deals", absent=OUT_OF_SIGHT)
CONTACT = Relation("contacts", absent=OUT_OF_SIGHT)
COMPANY = Relation("companies", absent=OUT_OF_SIGHT)
CUSTOMER = Relation("customers", absent=OUT_OF_SIGHT)
TASK = Relation("tasks", absent=OUT_OF_SIGHT)
DELETED_NOTE = Relation("notes", absent=OUT_OF_SIGHT)
NOTE = Relation("notes", {"element_type": Own("element_type")})
EVENT = Relation("events")
TALK = Relation("talks", absent="Not every account lists its talks.")

PIPELINE = Relation("pipelines")
FORMER_PIPELINE = Relation("pipelines", absent=REMOVED)
LOSS_REASON = Relation("loss_reasons", absent=REMOVED)
CUSTOMER_STATUS = Relation("customer_statuses", absent="Only accounts that expect purchases by date have them.")
SEGMENT = Relation("customer_segments", absent="Only accounts that work with segments have them.")
CATALOG = Relation("catalogs", absent=REMOVED)
CATALOG_OR_NONE = Relation("catalogs", nothing=(0,))
PRICE = Relation("custom_fields", {"entity_type": "catalogs"}, absent=REMOVED)
FIELD_GROUP = Relation(
    "custom_field_groups",
    {"entity_type": Own("entity_type")},
    absent="amoCRM does not list the groups of segments' fields.",
)
ELEMENT_TYPE = Relation("element_types")
TASK_TYPE = Relation("task_types", absent=REMOVED)
NOTE_TYPE = Relation("note_types", absent="amoCRM adds types; the table has those of its documentation.")
EVENT_TYPE = Relation("event_types", absent="amoCRM does not list every type that it uses.")

AUTHORS: Relations = {"created_by": AUTHOR, "updated_by": AUTHOR}
BY_NAME: Mapping[str | int, Relation] = {"contact": CONTACT, "lead": DEAL, "company": COMPANY, "customer": CUSTOMER}
BY_LIST: Mapping[str | int, Relation] = {
    "contacts": CONTACT,
    "leads": DEAL,
    "companies": COMPANY,
    "customers": CUSTOMER,
}
ELEMENT: Relations = {
    "element_type": ELEMENT_TYPE,
    "element_id": OneOf("element_type", {1: CONTACT, 2: DEAL, 3: COMPANY, 12: CUSTOMER}),
}


def status(pipeline: str) -> Relation:
    """A status of the pipeline in the column `pipeline`: 142 and 143 are in every pipeline."""
    return Relation("statuses", {"pipeline_id": Own(pipeline)})


def former_status(pipeline: str) -> Relation:
    return Relation("statuses", {"pipeline_id": Own(pipeline)}, absent=REMOVED)


def custom_field(entity_type: str) -> Relation:
    return Relation("custom_fields", {"entity_type": entity_type}, absent=REMOVED)


def tag(entity_type: str) -> Relation:
    return Relation("tags", {"entity_type": entity_type}, absent=REMOVED)
