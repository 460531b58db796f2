"""What the marts must hold, by plain Python over the account's own store: the oracle of their tests.

Nothing of the connector and nothing of the models is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import Row
from . import page
from .ahead import forecast, forecast_stages, today
from .conversations import conversations
from .deals import deal_history, deal_stage_history, deals
from .history import entity_history
from .known import Known, at_second
from .people import (
    calls,
    companies,
    contacts,
    customers_ltv,
    duplicates_and_merges,
    manager_activity,
    tasks_open,
    touches,
)
from .totals import attribution, funnel, lost_deals, pipeline_daily, sales, sales_plan, stale_deals

BUILDERS = (
    deals, deal_stage_history, deal_history, funnel, pipeline_daily, sales, sales_plan, lost_deals, stale_deals,
    tasks_open, manager_activity, calls, contacts, companies, attribution, customers_ltv, duplicates_and_merges,
    conversations, entity_history, today, forecast, forecast_stages,
)  # fmt: skip


def marts(*projects: Known) -> dict[str, list[Row]]:
    """The rows of every mart over these projects."""
    return {build.__name__: united(build, projects) for build in BUILDERS}


def united(build: Callable[[Known], list[Row]], projects: Iterable[Known]) -> list[Row]:
    """Its rows over these projects."""
    return [{"project_id": known.project, **row} for known in projects for row in build(known)]


__all__ = ["Known", "at_second", "marts", "page", "touches", "united"]
