"""Deals and their custom fields, both from one reading of the leads."""

from __future__ import annotations

from source_amocrm.account.resources import LEADS
from source_amocrm.streams import relations as to
from source_amocrm.streams.field_values import FieldValueStream
from source_amocrm.streams.readable import ReadableStream
from source_amocrm.streams.rows import deals
from source_amocrm.streams.rows.field_values import deal_fields
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class Deals(ReadableStream):
    name = "deals"
    primary_key = ["lead_id"]
    relations = {
        "responsible_user_id": to.USER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "pipeline_id": to.PIPELINE,
        "status_id": to.status("pipeline_id"),
        "main_contact": to.CONTACT,
        "contacts": to.CONTACT,
        "company": to.COMPANY,
        "loss_reason_id": to.LOSS_REASON,
        "source_id": to.SOURCE,
    }
    resources = (LEADS,)
    deletable = True
    extras = {
        "main_contact": ("contacts",),
        "contacts": ("contacts",),
        "loss_reason_name": ("loss_reason",),
        "source_id": ("source_id", "source"),
        "source_name": ("source",),
        "source_external_id": ("source",),
        "source_type": ("source",),
        "is_price_modified_by_robot": ("is_price_modified_by_robot",),
        "catalog_elements": ("catalog_elements",),
    }

    def row(self, record: Row, context: Context) -> Row:
        return deals.deal(record)


class CustomFieldsDeals(FieldValueStream):
    name = "custom_fields_deals"
    primary_key = ["lead_id", "custom_field_id", "value_index"]
    relations = {"lead_id": to.DEAL, "custom_field_id": to.custom_field("leads")}
    cursor_field = "lead_updated_at"
    resources = (LEADS,)
    make = deal_fields


STREAMS = (Deals, CustomFieldsDeals)
