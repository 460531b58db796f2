"""Expected marts that count and add up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .. import Row
from .deals import LOST, WON, began, deal_history, deal_stage_history, deals, names
from .known import Known, at, grouped, median, month, seconds

STALE_DAYS = 14


def _there(known: Known) -> list[Row]:
    return [deal for deal in deals(known) if not deal["is_deleted"]]


def _sum(rows: list[Row], kind: str) -> float:
    return float(sum(row["budget"] or 0 for row in rows if row["stage_kind"] == kind))


def _count(rows: list[Row], *kinds: str) -> int:
    return sum(row["stage_kind"] in kinds for row in rows)


def _named(columns: tuple[str, ...], own: tuple[Any, ...]) -> Row:
    return dict(zip(columns, own, strict=True))


def sales(known: Known) -> list[Row]:
    columns = ("month", "pipeline_id", "pipeline_name", "responsible_user_id", "responsible_name", "source", "currency")
    closed = [deal for deal in _there(known) if deal["stage_kind"] in ("won", "lost") and deal["closed_at"]]

    def key(deal: Row) -> tuple[Any, ...]:
        source = deal["source_name"] if deal["source_name"] is not None else deal["utm_source"]
        own = deal | {"month": deal["closed_month"], "source": source}
        return tuple(own[column] for column in columns)

    return [
        _named(columns, own)
        | {
            "won": _count(rows, "won"),
            "won_budget": _sum(rows, "won"),
            "lost": _count(rows, "lost"),
            "lost_budget": _sum(rows, "lost"),
            "median_seconds_to_close": median(deal["seconds_to_close"] for deal in rows),
        }
        for own, rows in grouped(closed, key).items()
    ]


def sales_plan(known: Known) -> list[Row]:
    """Without any plan."""
    columns = ("month", "responsible_user_id", "responsible_name")
    groups = grouped(sales(known), lambda row: tuple(row[column] for column in columns))
    return [
        _named(columns, own)
        | {"plan": None, "won": sum(row["won"] for row in rows), "percent_of_plan": None}
        | {"won_budget": sum(row["won_budget"] for row in rows)}
        for own, rows in groups.items()
    ]


def attribution(known: Known) -> list[Row]:
    columns = (
        "created_month", "pipeline_id", "pipeline_name", "source_name", "utm_source", "utm_medium", "utm_campaign",
        "currency",
    )  # fmt: skip
    groups = grouped(_there(known), lambda deal: tuple(deal[column] for column in columns))
    return [
        _named(columns, own)
        | {"deals": len(rows), "won": _count(rows, "won"), "lost": _count(rows, "lost")}
        | {"won_budget": _sum(rows, "won")}
        for own, rows in groups.items()
    ]


def lost_deals(known: Known) -> list[Row]:
    last = {row["deal_id"]: row for row in deal_stage_history(known) if row["is_last"]}
    rows = []
    for deal in _there(known):
        if deal["stage_kind"] != "lost":
            continue
        stay = last[deal["deal_id"]]
        lost = deal["closed_at"] or stay["from_at"]
        took = seconds(deal["created_at"], lost)
        rows.append(
            {
                name: deal[name]
                for name in (
                    "deal_id", "name", "pipeline_id", "pipeline_name", "loss_reason_id", "loss_reason", "budget",
                    "responsible_user_id", "responsible_name", "source_name", "utm_source", "created_at_local",
                )
            }
            | {
                "lost_from_status_id": stay["status_id_before"],
                "lost_from_status_name": stay["status_name_before"],
                "lost_at_local": known.local(lost),
                "lost_month": month(known.local(lost)),
                "days_to_loss": None if took is None else took // 86_400,
                "lost_by": stay["moved_by"],
            }
        )  # fmt: skip
    return rows


def stale_deals(known: Known) -> list[Row]:
    touched: dict[int, list[Any]] = {}
    done = completions(known)
    for name, moment in (("calls", "created_at"), ("messages", "created_at"), ("notes", "created_at")):
        for row in known.all(name):
            if row["element_type"] == 2 and not row.get("is_deleted"):
                touched.setdefault(row["element_id"], []).append(at(row[moment]))
    for row in known.all("deal_statuses"):
        touched.setdefault(row["lead_id"], []).append(at(row["created_at"]))
    waiting: dict[int, int] = {}
    for task in tasks(known):
        if task["element_type"] == 2 and task["is_completed"]:
            touched.setdefault(task["element_id"], []).append(done[task["task_id"]][0])
        elif task["element_type"] == 2:
            waiting[task["element_id"]] = waiting.get(task["element_id"], 0) + 1
    rows = []
    for deal in _there(known):
        last = max([deal["created_at"], *touched.get(deal["deal_id"], [])])
        days = (known.now - last).days
        if deal["stage_kind"] in ("open", "unsorted") and days >= STALE_DAYS:
            rows.append(
                {
                    name: deal[name]
                    for name in (
                        "deal_id", "name", "pipeline_id", "pipeline_name", "status_id", "status_name", "budget",
                        "responsible_user_id", "responsible_name", "in_stage_since",
                    )
                }
                | {"last_activity_at": last, "days_without_activity": days}
                | {"open_tasks": waiting.get(deal["deal_id"], 0)}
            )  # fmt: skip
    return rows


def tasks(known: Known) -> list[Row]:
    """Those that are not deleted."""
    gone = known.deleted()
    return [row for row in known.all("tasks") if not row["is_deleted"] and ("task", row["task_id"]) not in gone]


def completions(known: Known) -> dict[int, tuple[Any, int | None]]:
    """When and by whom each task was done."""
    told: dict[int, Row] = {}
    for event in sorted(known.all("events"), key=lambda row: (row["created_at"], row["event_id"])):
        if event["type"] == "task_completed":
            told[event["entity_id"]] = event
    found = {}
    for task in tasks(known):
        event = told.get(task["task_id"], {"created_at": task["updated_at"], "created_by": 0})
        if task["is_completed"]:
            found[task["task_id"]] = (at(event["created_at"]), event["created_by"] or task["responsible_user_id"])
    return found


def pipeline_daily(known: Known) -> list[Row]:
    """Each deal looked at on the evening of each day."""
    open_spans = [row for row in deal_history(known) if row["stage_kind"] in ("open", "unsorted")]
    named, today = names(known), known.local(known.now)
    assert today is not None
    rows = []
    for (pipeline, status), own in grouped(open_spans, lambda row: (row["pipeline_id"], row["status_id"])).items():
        day = min(row["from_at_local"] for row in own).date()
        last = max([today.date(), *(m.date() for row in own for m in (row["from_at_local"], row["to_at_local"]) if m)])
        while day <= last:
            there = [
                row
                for row in own
                if row["from_at_local"].date() <= day and (row["to_at"] is None or row["to_at_local"].date() > day)
            ]
            rows.append(
                {"day": day.isoformat(), "pipeline_id": pipeline, "pipeline_name": named[pipeline, status][0]}
                | {"status_id": status, "status_name": named[pipeline, status][1], "deals": len(there)}
                | {"budget": float(sum(row["budget"] or 0 for row in there))}
            )
            day += timedelta(days=1)
    return rows


def funnel(known: Known) -> list[Row]:
    starts = began(known)
    stays = [row for row in deal_stage_history(known) if not row["is_deleted"]]
    sorts = {(row["pipeline_id"], row["status_id"]): row["status_sort"] for row in known.all("statuses")}
    rows = []
    cohorts = grouped(stays, lambda row: (month(known.local(starts[row["deal_id"]])), row["pipeline_id"]))
    for (cohort, pipeline), own in cohorts.items():
        by_deal = grouped(own, lambda row: (row["deal_id"],))
        furthest = [
            max((sorts[pipeline, row["status_id"]] for row in group if row["status_id"] != LOST), default=-1)
            for group in by_deal.values()
        ]
        way = [r for r in known.all("statuses") if r["pipeline_id"] == pipeline and r["status_id"] != LOST]
        before = None
        for status in sorted(way, key=lambda row: (row["status_sort"], row["status_id"])):
            here = [row for row in own if row["status_id"] == status["status_id"]]
            reached = sum(sort >= status["status_sort"] for sort in furthest)
            rows.append({
                "cohort_month": cohort,
                "pipeline_id": pipeline,
                "pipeline_name": status["pipeline_name"],
                "status_id": status["status_id"],
                "status_name": status["status_name"],
                "status_sort": status["status_sort"],
                "stage_kind": "won" if status["status_id"] == WON else "unsorted" if status["status_type"] else "open",
                "cohort_deals": len(by_deal),
                "reached": reached,
                "reached_before": before,
                "deals_in_stage": len({row["deal_id"] for row in here}),
                "lost": sum(
                    row["is_last"] and row["status_id"] == LOST
                    and (row["pipeline_id_before"], row["status_id_before"]) == (pipeline, status["status_id"])
                    for row in own
                ),
                "median_seconds": median(row["seconds"] for row in here),
            })  # fmt: skip
            before = reached
    return rows
