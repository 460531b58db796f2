"""Deals."""

from __future__ import annotations

from source_amocrm.account.resources import LEADS
from source_amocrm.streams import relations as to
from source_amocrm.streams.readable import ReadableStream
from source_amocrm.streams.values import exact_amount, main_contact


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
    found = {"main_contact": main_contact, "sale": exact_amount("price")}
