"""The values of custom fields: a stream for each kind of entities, from the reading of its entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from source_amocrm.account.resources import COMPANIES, CONTACTS, Resource
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.rows.field_values import FieldTable, company_fields, contact_fields
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class FieldValueStream(IncrementalStream):
    """`make`: the rows of a record's values. Which fields are amoCRM's own is told by the list of the fields."""

    several_rows = True
    account_extras = ("datetime_settings",)
    make: FieldTable

    def vital_paths(self) -> Iterator[str]:
        yield f"{self.resources[0].path}/custom_fields"

    def context(self, resource: Resource) -> Context:
        fields = self.account.dictionary(next(self.vital_paths()), "custom_fields")
        return replace(super().context(resource), system_fields=system_fields(fields))

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return self.make(record, timezone=context.timezone, system_fields=context.system_fields)


class CustomFieldsContacts(FieldValueStream):
    name = "custom_fields_contacts"
    primary_key = ["contact_id", "custom_field_id", "value_index"]
    relations = {"contact_id": to.CONTACT, "custom_field_id": to.custom_field("contacts")}
    cursor_field = "contact_updated_at"
    resources = (CONTACTS,)
    make = contact_fields


class CustomFieldsCompanies(FieldValueStream):
    name = "custom_fields_companies"
    primary_key = ["company_id", "custom_field_id", "value_index"]
    relations = {"company_id": to.COMPANY, "custom_field_id": to.custom_field("companies")}
    cursor_field = "company_updated_at"
    resources = (COMPANIES,)
    make = company_fields


STREAMS = (CustomFieldsContacts, CustomFieldsCompanies)
