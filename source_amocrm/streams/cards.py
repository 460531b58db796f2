"""Cards: deals, contacts and companies, and the pipelines and statuses that deals move through."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.resources import COMPANIES, CONTACTS, LEADS
from source_amocrm.engine.stream_interface import Context, Lookup
from source_amocrm.streams import schema
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.custom_field_columns import ReadableStream
from source_amocrm.streams.custom_fields import values_of
from source_amocrm.streams.values import Json, Row, as_list, child, exact_amount, main_contact

PIPELINES = "/api/v4/leads/pipelines"
HINTS = tuple(extra for column in schema.columns("statuses") for extra in column.extras)
_COMMUNICATION = ("communication_id", "communication_ids")


def is_communication(field: dict[str, Json]) -> bool:
    """Whether telephony integrations keep their ids in this field, which only its code or its name shows."""
    code, name = field.get("field_code"), field.get("field_name")
    if type(code) is str and code.strip().lower() in _COMMUNICATION:
        return True
    return type(name) is str and name.strip().lower() in _COMMUNICATION


def name_of(company: Row) -> str | None:
    return name if isinstance(name := company.get("name"), str) else None


class Deals(ReadableStream):
    name = "deals"
    resources = (LEADS,)
    deletable = True
    found = {"main_contact": main_contact, "sale": exact_amount("price")}


class Contacts(ReadableStream):
    name = "contacts"
    resources = (CONTACTS,)
    deletable = True
    lookup = Lookup("company_name", COMPANIES, key=lambda row: row["company"], value=name_of)
    found = {
        "phones": values_of(lambda field: field.get("field_code") == "PHONE"),
        "emails": values_of(lambda field: field.get("field_code") == "EMAIL"),
        "communication_ids": values_of(is_communication),
    }


class Statuses(FullRefreshStream):
    name = "statuses"
    list_path, list_extras = PIPELINES, HINTS
    in_every_account = True
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields a row per status, made of its pipeline with that status alone. Raises RowError if either has no id."""
        pipeline = self.record.source(record)
        self.record.key(pipeline.get("id"), pipeline, "pipeline_id")
        for status in as_list(child(pipeline.get("_embedded"), "statuses")):
            yield self.record({**pipeline, "_embedded": {"statuses": self.record.source(status)}})


FURTHER = [
    ReadableStream.table("companies", resources=(COMPANIES,), deletable=True),
    FullRefreshStream.table("pipelines", list_path=PIPELINES, list_extras=HINTS),
    FullRefreshStream.table("loss_reasons", list_path="/api/v4/leads/loss_reasons"),
    FullRefreshStream.table("unsorted", list_path="/api/v4/leads/unsorted"),
]
