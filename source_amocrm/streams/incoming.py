"""Leads that wait in «Неразобранное»."""

from __future__ import annotations

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.rows import incoming
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class Unsorted(FullRefreshStream):
    name = "unsorted"
    primary_key = ["unsorted_id"]
    relations = {
        "pipeline_id": to.PIPELINE,
        "account_id": to.ACCOUNT,
        "leads": to.DEAL,
        "contacts": to.CONTACT,
        "companies": to.COMPANY,
    }
    list_path = "/api/v4/leads/unsorted"
    collection = "unsorted"

    def row(self, record: Row, context: Context) -> Row:
        return incoming.unsorted(record)


STREAMS = (Unsorted,)
