"""Pipelines, their statuses, the reasons of loss, and leads that wait in «Неразобранное»."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context

PIPELINES = "/api/v4/leads/pipelines"


class Pipelines(FullRefreshStream):
    name = "pipelines"
    list_path = PIPELINES


class Statuses(FullRefreshStream):
    name = "statuses"
    primary_key = ["pipeline_id", "status_id"]
    list_path = PIPELINES
    in_every_account = True
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields a row per status, made of its pipeline with that status alone. Raises RowError when one has no id."""
        to = self.record.to
        pipeline = to.source(record)
        to.integer_key(pipeline.get("id"), pipeline, "pipeline_id")
        for status in as_list(child(pipeline.get("_embedded"), "statuses")):
            yield self.record({**pipeline, "_embedded": {"statuses": to.source(status)}})


class LossReasons(FullRefreshStream):
    name = "loss_reasons"
    list_path = "/api/v4/leads/loss_reasons"


class Unsorted(FullRefreshStream):
    name = "unsorted"
    list_path = "/api/v4/leads/unsorted"
