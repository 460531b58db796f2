"""Expected marts of sums and counts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .. import Row
from .deal_activity import DEAD_DAYS, STALE_DAYS, last_activity, open_tasks
from .deals import LOST, WON, began, deal_history, deal_stage_history, deals, names
from .known import Known, amount, at, grouped, median, memoized, month, seconds, unless_negative


def _present(known: Known) -> list[Row]:
    return [deal for deal in deals(known) if not deal["is_deleted"]]


def _sum(rows: list[Row], kind: str) -> Decimal:
    return sum((amount(row["budget"]) for row in rows if row["stage_kind"] == kind), Decimal(0))


def _count(rows: list[Row], *kinds: str) -> int:
    return sum(row["stage_kind"] in kinds for row in rows)


def _named(columns: tuple[str, ...], values: tuple[Any, ...]) -> Row:
    return dict(zip(columns, values, strict=True))


def ended(deal: Row) -> datetime | None:
    """Returns when a deal was closed, in the account's local time, or else when it came into its stage."""
    found: datetime | None = deal["closed_at_local"] or deal["in_stage_since_local"]
    return found


def of_closer(deal: Row) -> Row:
    """Returns a closed deal with the responsible user at its closing, and with the present one in `present_…`."""
    return deal | {
        "responsible_user_id": deal["closer_id"], "responsible_name": deal["closer_name"],
        "responsible_as_of": deal["closer_as_of"], "present_user_id": deal["responsible_user_id"],
        "present_name": deal["responsible_name"],
    }  # fmt: skip


def sales(known: Known) -> list[Row]:
    columns = (
        "month", "pipeline_id", "pipeline_name", "responsible_user_id", "responsible_name", "responsible_as_of",
        "present_user_id", "present_name", "source", "currency",
    )  # fmt: skip
    closed = [deal for deal in _present(known) if deal["stage_kind"] in ("won", "lost") and ended(deal)]

    def key(deal: Row) -> tuple[Any, ...]:
        source = deal["source_name"] if deal["source_name"] is not None else deal["utm_source"]
        values = of_closer(deal) | {"month": month(ended(deal)), "source": source}
        return tuple(values[column] for column in columns)

    return [
        _named(columns, values)
        | {
            "won": _count(rows, "won"),
            "won_budget": _sum(rows, "won"),
            "lost": _count(rows, "lost"),
            "lost_budget": _sum(rows, "lost"),
            "median_seconds_to_close": median(deal["seconds_to_close"] for deal in rows),
        }
        for values, rows in grouped(closed, key).items()
    ]


def sales_plan(known: Known) -> list[Row]:
    """Returns the rows of the mart without any plan."""
    columns = ("month", "responsible_user_id", "responsible_name")
    groups = grouped(sales(known), lambda row: tuple(row[column] for column in columns))
    return [
        _named(columns, key)
        | {"plan": None, "plan_so_far": None, "won": sum(row["won"] for row in rows), "percent_of_plan": None}
        | {"won_budget": sum(row["won_budget"] for row in rows), "currency": known.currency}
        for key, rows in groups.items()
    ]


def attribution(known: Known) -> list[Row]:
    columns = (
        "created_month", "pipeline_id", "pipeline_name", "source_name", "utm_source", "utm_medium", "utm_campaign",
        "currency",
    )  # fmt: skip
    groups = grouped(_present(known), lambda deal: tuple(deal[column] for column in columns))
    return [
        _named(columns, key)
        | {"deals": len(rows), "won": _count(rows, "won"), "lost": _count(rows, "lost")}
        | {"won_budget": _sum(rows, "won")}
        for key, rows in groups.items()
    ]


@memoized
def lost_from(known: Known) -> dict[int, tuple[int, int]]:
    """Returns the pipeline and stage of each lost deal before it was lost."""
    lost = {deal["deal_id"] for deal in deals(known) if deal["status_id"] == LOST}
    found = {}
    for row in sorted(deal_stage_history(known), key=lambda row: row["position"]):
        if row["deal_id"] in lost and row["status_id"] != LOST:
            found[row["deal_id"]] = (row["pipeline_id"], row["status_id"])
    return found


def lost_deals(known: Known) -> list[Row]:
    last = {row["deal_id"]: row for row in deal_stage_history(known) if row["is_last"]}
    before, named = lost_from(known), names(known)
    rows = []
    for deal in _present(known):
        if deal["stage_kind"] != "lost":
            continue
        stay, left = last[deal["deal_id"]], before.get(deal["deal_id"], (None, None))
        lost = deal["closed_at"] or stay["from_at"]
        took = seconds(deal["created_at"], lost)
        rows.append(
            {
                name: of_closer(deal)[name]
                for name in (
                    "deal_id", "name", "pipeline_id", "pipeline_name", "loss_reason_id", "loss_reason", "budget",
                    "currency", "responsible_user_id", "responsible_name", "responsible_as_of", "present_user_id",
                    "present_name", "source_name", "utm_source", "created_at_local",
                )
            }
            | {
                "lost_from_status_id": left[1],
                "lost_from_status_name": named.get(left, (None, None))[1],
                "lost_at_local": known.local(lost),
                "lost_month": month(known.local(lost)),
                "days_to_loss": unless_negative(None if took is None else took // 86_400),
                "lost_by": stay["moved_by"],
            }
        )  # fmt: skip
    return rows


@memoized
def stale_deals(known: Known) -> list[Row]:
    waiting = open_tasks(known)
    rows = []
    for deal in _present(known):
        last = last_activity(known, deal["deal_id"], deal["main_contact_id"], deal["created_at"])
        days = (known.now - last).days
        due = waiting.get(deal["deal_id"], [])
        in_time = any(moment >= known.now for moment in due)
        if deal["stage_kind"] in ("open", "unsorted") and days >= STALE_DAYS and not in_time:
            rows.append(
                {
                    name: deal[name]
                    for name in (
                        "deal_id", "name", "pipeline_id", "pipeline_name", "status_id", "status_name", "budget",
                        "currency", "responsible_user_id", "responsible_name", "in_stage_since_local",
                    )
                }
                | {"last_activity_at": last, "days_without_activity": days, "open_tasks": len(due)}
                | {"is_dead": days >= DEAD_DAYS}
            )  # fmt: skip
    return rows


def pipeline_daily(known: Known) -> list[Row]:
    """Counts the open deals of each stage at the end of each day."""
    open_spans = [row for row in deal_history(known) if row["stage_kind"] in ("open", "unsorted")]
    named, today = names(known), known.local(known.now)
    assert today is not None
    rows = []
    for (pipeline, status), periods in grouped(open_spans, lambda row: (row["pipeline_id"], row["status_id"])).items():
        day = min(row["from_at_local"] for row in periods).date()
        while day <= today.date():
            open_then = [
                row
                for row in periods
                if row["from_at_local"].date() <= day and (row["to_at"] is None or row["to_at_local"].date() > day)
            ]
            rows.append(
                {"day": day.isoformat(), "pipeline_id": pipeline, "deals": len(open_then), "currency": known.currency}
                | {"pipeline_name": named.get((pipeline, status), (None, None))[0]}
                | {"status_id": status, "status_name": named.get((pipeline, status), (None, None))[1]}
                | {
                    "budget": sum(amount(row["budget"]) for row in open_then)
                    if known.has_history("deal_sale_changes")
                    else None
                }
            )
            day += timedelta(days=1)
    return rows


MOVES = ("new", "back", "in", "out", "won", "lost", "deleted")
"""Ways in which an open deal comes to a pipeline and a user, or leaves them."""
MONEY_OF = {
    "new": "came_new", "back": "came_back", "in": "moved_in", "out": "moved_out", "won": "left_won",
    "lost": "left_lost", "deleted": "left_deleted",
}  # fmt: skip
CROSSED = ("from_other_pipelines", "to_other_pipelines", "from_other_managers", "to_other_managers")
"""The parts of "moved_in" and "moved_out" that are of another pipeline, and those of another user."""


Group = tuple[int, int | None]
"""A pipeline and a responsible user."""


@memoized
def money_flows(known: Known) -> tuple[list[tuple[datetime, Group, str, Decimal]], dict[Group, list[Any]]]:
    """Replays the deals: what happened to the open money of each group at each moment, and the spans of open deals.

    A span is its first moment, the moment after it (None: it still lasts) and its budget.
    """
    flows: list[tuple[datetime, Group, str, Decimal]] = []
    held: dict[Group, list[Any]] = {}
    for of_deal in grouped(deal_history(known), lambda row: (row["deal_id"],)).values():
        before: Row | None = None
        was_ever_open = False
        for span in of_deal:
            moment, money = span["from_at_local"], amount(span["budget"])
            here = (span["pipeline_id"], span["responsible_user_id"])
            is_open_now = span["stage_kind"] in ("open", "unsorted")
            there = None if before is None else (before["pipeline_id"], before["responsible_user_id"])
            if before is None and is_open_now:
                flows.append((moment, here, "back" if was_ever_open else "new", money))
            if before is not None and there is not None:
                of_before = amount(before["budget"])
                if is_open_now and here != there:
                    flows.append((moment, there, "out", of_before))
                    flows.append((moment, here, "in", of_before))
                    for place, name in enumerate(("pipelines", "managers")):
                        if here[place] != there[place]:
                            flows.append((moment, there, f"to_other_{name}", of_before))
                            flows.append((moment, here, f"from_other_{name}", of_before))
                if money != of_before:
                    name = "shrank" if money < of_before else "grew" if of_before else "priced"
                    flows.append((moment, here if is_open_now else there, name, abs(money - of_before)))
                if not is_open_now:
                    flows.append((moment, there, "won" if span["status_id"] == WON else "lost", money))
            before = span if is_open_now else None
            was_ever_open |= is_open_now
            if is_open_now:
                held.setdefault(here, []).append((moment, span["to_at_local"], money))
        if before is not None and before["to_at"] is not None:
            here = (before["pipeline_id"], before["responsible_user_id"])
            flows.append((before["to_at_local"], here, "deleted", amount(before["budget"])))
    return flows, held


def money_between(known: Known, first: datetime, after: datetime) -> dict[Group, Row]:
    """Counts each group's open deals at both ends of a time by their state then, and what happened between.

    Groups without open deals in that time are left out.
    """
    flows, held = money_flows(known)
    counts: dict[Group, Counter[str]] = {}
    for moment, group, name, money in flows:
        if first <= moment < after:
            of = counts.setdefault(group, Counter())
            of[MONEY_OF.get(name, name)] += money  # type: ignore[assignment]
            if name in MOVES:
                of[f"deals_{name}"] += 1
    found: dict[Group, Row] = {}
    for group, spans in held.items():
        of = counts.get(group, Counter())
        row: Row = {name: Decimal(of[name]) for name in (*MONEY_OF.values(), *CROSSED, "priced", "grew", "shrank")}
        row |= {f"deals_{name}": of[f"deals_{name}"] for name in MOVES}
        for name, boundary in (("start", first), ("end", after)):
            open_then = [money for since, until, money in spans if since < boundary and (until or after) >= boundary]
            row |= {f"deals_at_{name}": len(open_then), f"at_{name}": sum(open_then, Decimal(0))}
        gained = sum(row[name] for name in ("came_new", "came_back", "priced", "grew", "moved_in"))
        lost = sum(row[name] for name in ("shrank", "moved_out", "left_won", "left_lost", "left_deleted"))
        assert row["at_start"] + gained - lost == row["at_end"], (known.project, first, group)
        if row["deals_at_start"] or row["deals_at_end"] or of:
            found[group] = row
    return found


@memoized
def open_money(known: Known) -> list[Row]:
    """Returns what happened to the open money in each month."""
    today = known.local(known.now)
    assert today is not None
    _, held = money_flows(known)
    begun = {group: min(since for since, _, _ in spans) for group, spans in held.items()}
    ended = {group: max(today, *(since for since, _, _ in spans)) for group, spans in held.items()}
    named = {row["pipeline_id"]: row["pipeline_name"] for row in known.all("statuses")}
    is_known = known.has_history("deal_sale_changes")
    amounts = {*MONEY_OF.values(), *CROSSED, "priced", "grew", "shrank", "at_start", "at_end"}
    rows = []
    month_of = min(begun.values(), default=today).replace(day=1, hour=0, minute=0, second=0)
    while month_of <= max(ended.values(), default=month_of - timedelta(1)):
        after = (month_of + timedelta(days=32)).replace(day=1)
        for group, row in money_between(known, month_of, after).items():
            if month_of <= ended[group]:
                pipeline, user = group
                rows.append({
                    "month": f"{month_of:%Y-%m}-01", "pipeline_id": pipeline, "pipeline_name": named.get(pipeline),
                    "responsible_user_id": user, "responsible_name": known.user(user), "currency": known.currency,
                    **{name: None if name in amounts and not is_known else value for name, value in row.items()},
                })  # fmt: skip
        month_of = after
    return rows


@memoized
def goods_sold(known: Known) -> list[Row]:
    """Returns the goods of won deals and of purchases, at their present prices."""
    prices: dict[int, dict[int, Decimal]] = {}
    for row in known.all("custom_fields_catalog_elements"):
        if row["field_type"] == "price" and not row["value_index"]:
            prices.setdefault(row["catalog_element_id"], {})[row["custom_field_id"]] = Decimal(row["value"])
    named = {(row["catalog_id"], row["catalog_element_id"]): row["name"] for row in known.all("catalog_elements")}
    by_id = {deal["deal_id"]: deal for deal in _present(known)}
    links: list[tuple[Row, Row]] = []
    for link in known.all("deal_catalog_elements"):
        deal = by_id.get(link["lead_id"], {})
        if deal and deal["stage_kind"] == "won":
            links.append((link, {
                "entity_type": "deal", "entity_id": deal["deal_id"], "transaction_id": None,
                "pipeline_id": deal["pipeline_id"], "pipeline_name": deal["pipeline_name"],
                "responsible_user_id": deal["closer_id"], "responsible_name": deal["closer_name"],
                "sold_at_local": ended(deal),
            }))  # fmt: skip
    owners = {row["customer_id"]: row["responsible_user_id"] for row in known.all("customers") if not row["is_deleted"]}
    for bought in known.all("customer_transactions"):
        for element in (
            bought["catalog_elements"] if bought["customer_id"] in owners and not bought["is_deleted"] else ()
        ):
            user = owners[bought["customer_id"]]
            link = {"catalog_element_id": element["id"], "price_id": None, **element["metadata"]}
            links.append((link, {
                "entity_type": "customer", "entity_id": bought["customer_id"],
                "transaction_id": bought["transaction_id"], "pipeline_id": None, "pipeline_name": None,
                "responsible_user_id": user, "responsible_name": known.user(user),
                "sold_at_local": known.local(at(bought["completed_at"] or bought["created_at"])),
            }))  # fmt: skip
    rows = []
    for link, sale in links:
        of_good = prices.get(link["catalog_element_id"], {})
        price = of_good.get(link["price_id"]) if link["price_id"] is not None else None
        if link["price_id"] is None and len(of_good) == 1:
            [price] = of_good.values()
        rows.append(sale | {
            "catalog_id": link["catalog_id"], "catalog_element_id": link["catalog_element_id"],
            "name": named.get((link["catalog_id"], link["catalog_element_id"])), "quantity": link["quantity"],
            "price_now": price, "amount_now": None if price is None else price * Decimal(str(link["quantity"])),
            "currency": known.currency,
        })  # fmt: skip
    return rows


def funnel(known: Known) -> list[Row]:
    starts = began(known)
    stays = [row for row in deal_stage_history(known) if not row["is_deleted"]]
    now = {deal["deal_id"]: (deal["pipeline_id"], deal["status_id"]) for deal in _present(known)}
    sorts = {(row["pipeline_id"], row["status_id"]): row["status_sort"] for row in known.all("statuses")}
    losses = Counter((month(known.local(starts[d])), *left) for d, left in lost_from(known).items() if d in now)
    rows = []
    cohorts = grouped(stays, lambda row: (month(known.local(starts[row["deal_id"]])), row["pipeline_id"]))
    for (cohort, pipeline), stays_of_pipeline in cohorts.items():
        by_deal = grouped(stays_of_pipeline, lambda row: (row["deal_id"],))
        furthest = [
            max(
                (
                    sorts[pipeline, row["status_id"]]
                    for row in group
                    if (row["stage_kind"] == "open" and (pipeline, row["status_id"]) in sorts)
                    or (row["status_id"] == WON and now[deal] == (pipeline, WON) and (pipeline, WON) in sorts)
                ),
                default=-1,
            )
            for (deal,), group in by_deal.items()
        ]
        way = [r for r in known.all("statuses") if r["pipeline_id"] == pipeline and r["status_id"] != LOST]
        before = None
        for status in sorted(way, key=lambda row: (row["status_sort"], row["status_id"])):
            stays_of_stage = [row for row in stays_of_pipeline if row["status_id"] == status["status_id"]]
            deals_of_stage = len({row["deal_id"] for row in stays_of_stage})
            unsorted, won = bool(status["status_type"]), status["status_id"] == WON
            reached = deals_of_stage if unsorted else sum(sort >= status["status_sort"] for sort in furthest)
            has_moves = known.has_history("deal_statuses")
            times = [] if won else stays_of(known, stays_of_stage)
            rows.append({
                "cohort_month": cohort,
                "pipeline_id": pipeline,
                "pipeline_name": status["pipeline_name"],
                "status_id": status["status_id"],
                "status_name": status["status_name"],
                "status_sort": status["status_sort"],
                "stage_kind": "won" if won else "unsorted" if unsorted else "open",
                "cohort_deals": len(by_deal),
                "reached": reached,
                "reached_before": None if unsorted else before,
                "deals_in_stage": deals_of_stage,
                "lost": losses[cohort, pipeline, status["status_id"]] if has_moves else None,
                "median_seconds": half_left(times),
                "still_there": sum(row["to_at"] is None for row in stays_of_stage) if has_moves else None,
            })  # fmt: skip
            before = before if unsorted else reached
    return rows


def stays_of(known: Known, stays: list[Row]) -> list[tuple[int, bool]]:
    """Returns the duration of each stay, or that so far, and whether it is over. Skips stays without a start."""
    return [
        (max(seconds(row["from_at"], row["to_at"] or known.now) or 0, 0), row["to_at"] is not None)
        for row in stays
        if row["from_at"] is not None
    ]


def half_left(stays: list[tuple[int, bool]]) -> float | None:
    """Returns the median duration by Kaplan and Meier, None if more than half of the stays go on."""
    left = Fraction(1)
    for index, (lasted, over) in enumerate(sorted(stays, key=lambda stay: (stay[0], not stay[1]))):
        at_risk = len(stays) - index
        left *= Fraction(at_risk - 1, at_risk) if over else 1
        if over and left <= Fraction(1, 2):
            return float(lasted)
    return None
