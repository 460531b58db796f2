"""Pipelines, their statuses, the reasons of loss, and leads that wait in «Неразобранное»."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context

PIPELINES = "/api/v4/leads/pipelines"


class Pipelines(FullRefreshStream):
    name = "pipelines"
    primary_key = ["pipeline_id"]
    relations = {"account_id": to.ACCOUNT}
    list_path = PIPELINES
    collection = "pipelines"


class Statuses(FullRefreshStream):
    name = "statuses"
    primary_key = ["pipeline_id", "status_id"]
    relations = {"pipeline_id": to.PIPELINE}
    list_path = PIPELINES
    in_every_account = True
    collection = "pipelines"
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """A row per status, made of its pipeline with that status alone. Raises RowError when one has no id."""
        to = self.record.to
        pipeline = to.source(record)
        to.integer_key(pipeline.get("id"), pipeline, "pipeline_id")
        for status in as_list(child(pipeline.get("_embedded"), "statuses")):
            yield self.record({**pipeline, "_embedded": {"statuses": to.source(status)}})


class LossReasons(FullRefreshStream):
    name = "loss_reasons"
    primary_key = ["loss_reason_id"]
    list_path = "/api/v4/leads/loss_reasons"
    collection = "loss_reasons"


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
