"""The oracle of the marts' tests: computes the rows that the marts must hold from the sandbox's raw rows.

Imports nothing of the connector and of the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import Row
from . import page
from .ahead import capped_deals, forecast, forecast_stages, queue, today
from .completeness import completeness
from .conversations import conversations
from .deals import accounts, deal_history, deal_stage_history, deal_tags, deals
from .history import entity_history
from .known import Known, at_second
from .mass_changes import mass_changes
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
from .totals import (
    attribution,
    funnel,
    goods_sold,
    lost_deals,
    open_money,
    pipeline_daily,
    sales,
    sales_plan,
    stale_deals,
)

BUILDERS = (
    deals, deal_tags, deal_stage_history, deal_history, funnel, pipeline_daily, sales, sales_plan, lost_deals,
    stale_deals, tasks_open, manager_activity, calls, contacts, companies, attribution, customers_ltv,
    duplicates_and_merges,
    conversations, entity_history, today, queue, forecast, forecast_stages, capped_deals, completeness,
    open_money, goods_sold, accounts, mass_changes,
)  # fmt: skip


def marts(*projects: Known) -> dict[str, list[Row]]:
    """Returns the rows of every mart over these projects."""
    return {build.__name__: united(build, projects) for build in BUILDERS}


def united(build: Callable[[Known], list[Row]], projects: Iterable[Known]) -> list[Row]:
    """Returns the rows of one mart over these projects."""
    return [{"project_id": known.project, **row} for known in projects for row in build(known)]


__all__ = ["Known", "at_second", "marts", "page", "touches", "united"]
