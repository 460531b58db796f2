"""Expected marts of today's open work and of the forecast."""

from __future__ import annotations

import math
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median, variance
from typing import Any

from .. import Row
from .conversations import WORKS, conversations, working
from .deal_activity import DEAD_DAYS, activity
from .deals import deal_history, deal_stage_history, deals, names
from .known import Known, amount, grouped, memoized, seconds
from .known import at as utc_moment
from .people import acts, calls, entity_names, tasks_open
from .totals import ended, stale_deals

RECORDED = 6
"""Past months for which the mart has a forecast."""
CHANCE_MONTHS, NEWCOMER_MONTHS = 12, 3
"""Past months from which the chances of open deals and the sales of new deals are computed."""
ENOUGH_OF_MANAGER, ENOUGH = 100, 30
"""Least numbers of like deals from which a chance is taken: of the same manager, and of the same stage."""
DEAD, ACTS = 4, ("calls", "messages", "notes", "tasks", "deal_statuses", "events")
"""The age of a deal in which nothing has happened for DEAD_DAYS, and the tables that show what happens."""
UNTOUCHED_DAYS = 7
"""A deal that nobody has touched is called new for so many days; an unsorted lead always."""
QUANTILE = 1.2815515655446004
"""The 90 % quantile of the standard normal distribution."""


@memoized
def today(known: Known) -> list[Row]:
    by_id = {deal["deal_id"]: deal for deal in deals(known)}
    history = deal_stage_history(known)
    over = [row for row in history if row["seconds"] is not None and row["seconds"] >= 0]
    stays = [row for row in over if row["stage_kind"] in ("open", "unsorted")]
    won = [row for row in stays if by_id[row["deal_id"]]["stage_kind"] == "won" and not row["is_deleted"]]
    usual = {
        stage: three_quarters([row["seconds"] for row in of])
        for stage, of in grouped(won, lambda row: (row["pipeline_id"], row["status_id"])).items()
        if len(of) >= 5
    }
    last = {row["deal_id"]: row for row in history if row["is_last"]}
    waiting = tasks_open(known)
    busy = {task["entity_id"] for task in waiting if task["entity_type"] == "deal"}
    found: list[tuple[str, int, str | None, int | None, str | None, Row, datetime | None, float | None]] = []
    by_hand: dict[Any, list[datetime]] = defaultdict(list)
    for person, when, act in acts(known):
        if person and when and not (act.get("direction") == "in" and act.get("duration") == 0):
            by_hand[act["element_type"], act["element_id"]].append(when)
    for deal in by_id.values():
        if not is_open(deal):
            continue
        began = deal["created_at"]
        touched = by_hand[2, deal["deal_id"]] or [one for one in by_hand[1, deal["main_contact_id"]] if one >= began]
        is_new = (known.now - began).total_seconds() < UNTOUCHED_DAYS * 86_400
        can_tell = all(map(known.was_read, ("calls", "messages", "tasks")))
        if deal["stage_kind"] == "unsorted" or (is_new and can_tell and not touched and deal["deal_id"] not in busy):
            found.append(("untouched", deal["deal_id"], "deal", deal["deal_id"], None, deal, began, None))
        number, since = deal["deal_id"], last[deal["deal_id"]]["from_at"]
        limit = usual.get((deal["pipeline_id"], deal["status_id"]))
        if deal["stage_kind"] == "open" and number not in busy and known.was_read("tasks"):
            found.append(("no_task", number, "deal", number, None, deal, since, None))
        if since and limit is not None and (known.now - since).total_seconds() > limit:
            found.append(("slow", number, "deal", number, None, deal, since, math.floor(limit / 8640 + 0.000001) / 10))
    for task in waiting:
        if task["is_overdue"]:
            card = (task["entity_type"], task["entity_id"])
            found.append(("overdue_task", task["task_id"], *card, task["text"], task, task["due_at"], None))
    for talk in conversations(known):
        if talk["is_unanswered"]:
            kind = next((one for one in ("deal", "customer", "contact") if talk[f"{one}_id"]), None)
            card = (kind, talk[f"{kind}_id"] if kind else None)
            found.append(("waiting", talk["talk_id"], *card, talk["channel"], talk, talk["waiting_since"], None))
    named, rows = entity_names(known), []
    for reason, item, kind, number, text, whose, since, limit in found:
        deal = by_id.get(number or 0, {}) if kind == "deal" else {}
        waited = seconds(since, known.now)
        rows.append({
            "reason": reason, "item_id": item, "entity_type": kind, "entity_id": number,
            "entity_name": named.get((kind, number or 0)), "text": text,
            **{name: deal.get(name) for name in ("pipeline_id", "pipeline_name", "status_id", "status_name")},
            "budget": deal["budget"] if deal and is_open(deal) else None, "currency": known.currency,
            "responsible_user_id": whose["responsible_user_id"], "responsible_name": whose["responsible_name"],
            "since_at_local": known.local(since), "days": None if waited is None or waited < 0 else waited // 86_400,
            "usual_days": limit,
        })  # fmt: skip
    return rows


URGENCY = ("untouched", "waiting", "missed_call", "task", "slow")
OLD, CLOSED = 6, 7
"""The urgency of who has waited for so long that others come first, and of cards of closed deals."""


@memoized
def queue(known: Known) -> list[Row]:
    """Returns each card that waits for a person once for each responsible user, the most urgent first."""
    by_id = {deal["deal_id"]: deal for deal in deals(known)}
    dead = {row["deal_id"] for row in stale_deals(known) if row["is_dead"]}
    now_local = known.local(known.now)
    assert now_local is not None
    budgets: dict[int, list[float]] = {}
    for deal in by_id.values():
        if deal["stage_kind"] == "won" and not deal["is_deleted"] and amount(deal["budget"]) > 0:
            budgets.setdefault(deal["pipeline_id"], []).append(float(deal["budget"]))
    items: list[Row] = []
    for row in today(known):
        large = budgets.get(row["pipeline_id"])
        if row["reason"] in ("untouched", "waiting") or (
            row["reason"] == "slow" and row["budget"] is not None and large and row["budget"] >= median(large)
        ):
            items.append(row)
    owners = {(kind, row[key]): row["responsible_user_id"] for kind, table, key in CARDS for row in known.all(table)}
    for call in calls(known):
        if call["is_missed"] and call["called_back_at"] is None:
            deal = by_id.get(call["deal_id"] or 0, {})
            card = ("deal", call["deal_id"]) if deal and is_open(deal) else (call["entity_type"], call["entity_id"])
            user = owners.get(card)
            user = call["manager_id"] if user is None else user
            items.append({
                "reason": "missed_call", "item_id": call["note_id"], "entity_type": card[0], "entity_id": card[1],
                "text": call["phone"], "responsible_user_id": user, "since_at_local": call["created_at_local"],
                "responsible_name": call["manager_name"] if user is None else known.user(user), "usual_days": None,
                "days": since_days(call["created_at"], known.now),
            })  # fmt: skip
    for task in tasks_open(known):
        deal = by_id.get(task["entity_id"], {}) if task["entity_type"] == "deal" else {}
        if deal and is_open(deal) and task["due_at_local"].date() <= now_local.date():
            items.append({
                "reason": "task", "item_id": task["task_id"], "entity_type": "deal", "entity_id": task["entity_id"],
                "text": task["text"], "responsible_user_id": task["responsible_user_id"],
                "responsible_name": task["responsible_name"], "since_at_local": task["due_at_local"],
                "days": (known.now - task["due_at"]).days if known.now >= task["due_at"] else None, "usual_days": None,
            })  # fmt: skip
    named = entity_names(known)
    cards: dict[Any, list[Row]] = {}
    for item in items:
        deal = by_id.get(item["entity_id"] or 0, {}) if item["entity_type"] == "deal" else {}
        waits = item["reason"] in URGENCY[:3]
        is_old = waits and (item["days"] or 0) >= DEAD_DAYS
        if deal and deal["deal_id"] in dead and (is_old or not waits):
            continue
        is_closed = bool(deal) and not is_open(deal)
        if is_closed and work_days(item["since_at_local"].date(), now_local.date()) > 3:
            continue
        minutes = (working(item["since_at_local"], now_local) or 0) // 60 if waits else None
        row = {
            "reason": item["reason"], "item_id": item["item_id"], "entity_type": item["entity_type"],
            "entity_id": item["entity_id"], "text": item["text"], "since_at_local": item["since_at_local"],
            "entity_name": named.get((item["entity_type"], item["entity_id"] or 0)), "currency": known.currency,
            **{name: deal.get(name) for name in ("pipeline_id", "pipeline_name", "status_id", "status_name")},
            "budget": deal["budget"] if deal and is_open(deal) else None, "working_minutes": minutes,
            "days": item["days"], "usual_days": item["usual_days"],
            "responsible_user_id": item["responsible_user_id"], "responsible_name": item["responsible_name"],
            "urgency": CLOSED if is_closed else OLD if is_old else 1 + URGENCY.index(item["reason"]),
        }  # fmt: skip
        key = (row["responsible_user_id"], row["entity_type"], row["entity_id"] or -row["item_id"])
        cards.setdefault(key, []).append(row)
    queues: dict[Any, list[Row]] = {}
    for of in cards.values():
        first = min(of, key=lambda row: (row["urgency"], *moment(row), row["item_id"]))
        best = {reason: min(row["urgency"] for row in own) for (reason,), own in grouped(of, own_reason).items()}
        row = {**first, "reasons": " ".join(sorted(best, key=lambda one: (best[one], URGENCY.index(one))))}
        queues.setdefault(row["responsible_user_id"], []).append(row)
    found = []
    for of in queues.values():
        of.sort(key=lambda row: (
            row["urgency"], moment(row)[0], -amount(row["budget"]), moment(row)[1], row["entity_type"] or "~",
            row["entity_id"] or -row["item_id"], row["item_id"],
        ))  # fmt: skip
        found += [{**row, "place": place} for place, row in enumerate(of, 1)]
    return found


def own_reason(row: Row) -> tuple[str]:
    return (row["reason"],)


def work_days(first: date, last: date) -> int:
    """Counts the days of work from one day to another, both among them."""
    days = [first + timedelta(days=after) for after in range((last - first).days + 1)]
    return len([day for day in days if day.isoweekday() in WORKS])


CARDS = (
    ("deal", "deals", "lead_id"), ("contact", "contacts", "contact_id"), ("company", "companies", "company_id"),
    ("customer", "customers", "customer_id"),
)  # fmt: skip


def moment(row: Row) -> tuple[float, float]:
    """Returns when a card began to wait, for ordering: of clients the latest first, of tasks and stays the earliest."""
    since = row["since_at_local"].timestamp()
    return (-since if row["working_minutes"] is not None else 0.0, since)


def since_days(earlier: datetime, now: datetime) -> int | None:
    waited = seconds(earlier, now)
    return None if waited is None or waited < 0 else waited // 86_400


def is_open(deal: Row) -> bool:
    return deal["stage_kind"] in ("open", "unsorted") and not deal["is_deleted"]


def three_quarters(numbers: list[int]) -> float:
    """Returns the third quartile, interpolated between two numbers."""
    found = sorted(numbers)
    position = 0.75 * (len(found) - 1)
    low = math.floor(position)
    high = min(low + 1, len(found) - 1)
    return found[low] + (found[high] - found[low]) * (position - low)


def months_earlier(moment: datetime, months: int) -> datetime:
    year, month = divmod(12 * moment.year + moment.month - 1 - months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def number_of(month: datetime) -> int:
    return 12 * month.year + month.month


def data_until(known: Known) -> datetime:
    """Returns the end of the last sync by the account's clock, at least the beginning of the present month."""
    ends = [end for sync in known.syncs if (end := utc_moment(sync["ended_at"]))]
    now, read = known.local(known.now), known.local(max(ends, default=known.synced_at))
    assert now is not None
    return max(now.replace(day=1, hour=0, minute=0, second=0), min(now, read or now))


class Ahead:
    """The forecasts of one account, each made only from what was known at its time."""

    def __init__(self, known: Known) -> None:
        won = [deal for deal in deals(known) if deal["stage_kind"] == "won" and not deal["is_deleted"]]
        self.sales = [(d["deal_id"], d["pipeline_id"], when, amount(d["budget"])) for d in won if (when := ended(d))]
        history = deal_history(known) if known.has_history("deal_statuses") else []
        stays = grouped(deal_stage_history(known), lambda row: (row["deal_id"],))
        first = min((row["from_at_local"] for row in history), default=None)
        until = data_until(known)
        self.moments = {
            back: at
            for back in range(RECORDED + 2 * CHANCE_MONTHS + 5)
            if first and (at := months_earlier(until, back)) >= month_after(first)
        }
        self.caps = {back: self.cap(at) for back, at in self.moments.items()}
        self.open: dict[int, dict[tuple[int, int], Row]] = {}
        self.acts: dict[int, list[datetime]] = {}
        for back, at in self.moments.items():
            there = [row for row in history if contains(row, at) and row["stage_kind"] in ("open", "unsorted")]
            for row in there:
                [stay] = [stay for stay in stays[row["deal_id"],] if stay["from_at_local"] and contains(stay, at)]
                days = (at - stay["from_at_local"]).days
                age = 0 if days < 7 else 1 if days < 30 else 2 if days < 90 else 3
                age = DEAD if all(map(known.was_read, ACTS)) and not self.lives(known, row["deal_id"], at) else age
                budget = amount(row["budget"])
                own_row = {**row, "age": age, "budget": budget, "capped": self.capped(back, budget)}
                self.open.setdefault(back, {})[row["deal_id"], row["pipeline_id"]] = own_row
        self.pipelines = {p for of in self.open.values() for _, p in of} | {
            p
            for _, p, when, _ in self.sales
            for at in self.moments.values()
            if -2 < number_of(when) - number_of(at) < 3
        }
        self.computed: dict[tuple[int, int], dict[int | None, Row]] = {}

    def lives(self, known: Known, deal_id: int, at: datetime) -> bool:
        """Whether anything had happened in a deal in the DEAD_DAYS before a moment of the account's clock."""
        if not self.acts:
            happened = activity(known)
            for deal in deals(known):
                cards = ("deal", deal["deal_id"]), ("contact", deal["main_contact_id"] or 0)
                moments = {deal["created_at"], *(one for card in cards for one in happened.get(card, []))}
                self.acts[deal["deal_id"]] = [local for one in moments if (local := known.local(one))]
        return any(at - timedelta(days=DEAD_DAYS) < one <= at for one in self.acts[deal_id])

    def cap(self, at: datetime) -> Decimal | None:
        """Returns the most that a budget counts for in a forecast made at this time."""
        year = (months_earlier(at, 12), at)
        budgets = sorted(money for _, _, when, money in self.sales if year[0] <= when < year[1] and money > 0)
        return 10 * budgets[math.ceil(0.9 * len(budgets)) - 1] if budgets else None

    def capped(self, back: int, money: Decimal) -> Decimal:
        cap = self.caps[back]
        return money if cap is None else min(money, cap)

    def foreseen(self, back: int, when: datetime) -> int | None:
        """Returns how many months after the time of forecast `back` a sale was made, None for other sales."""
        ahead = number_of(when) - number_of(self.moments[back])
        return ahead if when >= self.moments[back] and ahead < 3 else None

    def sold(self, back: int, ahead: int, pipeline: int, *, new: bool = False, capped: bool = True) -> list[Decimal]:
        return [
            self.capped(back, money) if capped else money
            for deal, of, when, money in self.sales
            if of == pipeline and self.foreseen(back, when) == ahead
            if not new or (deal, of) not in self.open.get(back, {})
        ]

    def past(self, back: int, ahead: int, months: int = CHANCE_MONTHS) -> list[int]:
        return [one for one in self.moments if back + ahead < one <= back + ahead + months]

    def chances(self, back: int, ahead: int, pipeline: int) -> list[tuple[Row, float, float, float]]:
        """Returns each deal that was open, with its chance, the money if it is won, and the number of like deals."""
        outcomes: list[tuple[Row, float | None]] = []
        counted: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for one in self.past(back, ahead):
            sales = {
                (d, p): float(self.capped(one, m))
                for d, p, when, m in self.sales
                if self.foreseen(one, when) == ahead
            }  # fmt: skip
            for card, row in self.open.get(one, {}).items():
                if card[1] == pipeline:
                    outcomes.append((row, sales.get(card)))
                for key, _ in alike(row):
                    counted[key][0] += 1
                    counted[key][1] += card in sales
        had = [(float(row["capped"]), money) for row, money in outcomes if money is not None and row["budget"] > 0]
        without = [money for row, money in outcomes if money is not None and not row["budget"] > 0]
        share = sum(m for _, m in had) / sum(b for b, _ in had) if had else 1
        self.mean = sum(without) / len(without) if without else 0
        self.squared = sum(m * m for m in without) / len(without) if without else 0
        found = []
        for (_, of), row in self.open.get(back, {}).items():
            keys = [key for key, least in alike(row) if counted[key][0] >= least]
            if of == pipeline and keys:
                seen, won = counted[keys[0]]
                has = row["budget"] > 0
                found.append((row, won / seen, float(row["capped"]) * share if has else self.mean, float(seen)))
        return found

    def parts(self, back: int, ahead: int) -> dict[int | None, Row]:
        """Returns what is expected of each pipeline and, as None, of all pipelines."""
        if (back, ahead) in self.computed:
            return self.computed[back, ahead]
        found: dict[int | None, Row] = {}
        for pipeline in self.pipelines:
            open_part = spread = 0.0
            groups: dict[Any, list[tuple[float, float, float]]] = defaultdict(list)
            for row, chance, money, seen in self.chances(back, ahead, pipeline):
                has = row["budget"] > 0
                open_part += chance * money
                spread += chance * (money * money if has else self.squared) - (chance * money) ** 2
                kind = (row["status_id"], row["age"], row["responsible_user_id"], has)
                groups[kind].append((chance, money, seen))
            for of in groups.values():
                chance, _, seen = of[0]
                spread += sum(money for _, money, _ in of) ** 2 * chance * (1 - chance) / seen
            recent = [
                [float(m) for m in self.sold(one, ahead, pipeline, new=True)]
                for one in self.past(back, ahead, NEWCOMER_MONTHS)
            ]
            totals = [sum(of) for of in recent]
            if recent:
                square = sum(m * m for of in recent for m in of) / len(recent)
                most = max(square, variance(totals) if len(totals) > 1 else 0)
                spread += most * (1 + 1 / len(recent))
            at = self.moments[back]
            month = number_of(at)
            of_month = [(when, m) for _, p, when, m in self.sales if p == pipeline and when < at]
            found[pipeline] = {
                "open": open_part, "new": sum(totals) / len(totals) if totals else 0.0, "variance": spread,
                "rest": sum(self.sold(back, ahead, pipeline, capped=False), Decimal(0)), "months": len(recent),
                "rest_capped": sum(self.sold(back, ahead, pipeline), Decimal(0)),
                "seen": sum(len(self.sold(one, ahead, pipeline)) for one in self.past(back, ahead)),
                "so_far": sum((m for when, m in of_month if number_of(when) == month and not ahead), Decimal(0)),
                "before": sum((m for when, m in of_month if number_of(when) == month - 1), Decimal(0)),
            }  # fmt: skip
        if found:
            every = list(found.values())
            found[None] = {name: sum((one[name] for one in every), type(every[0][name])()) for name in every[0]}
            found[None]["months"] = min(one["months"] for one in every)
        self.computed[back, ahead] = found
        return found

    def off_by(self, back: int, ahead: int, pipeline: int | None) -> float:
        """Returns the error of the forecasts of the year before, as a multiple of their expected deviation."""
        scores = []
        for one in self.past(back, ahead):
            part = self.parts(one, ahead)[pipeline]
            if part["variance"] > 0 and part["months"] == NEWCOMER_MONTHS:
                scores.append((float(part["rest_capped"]) - part["open"] - part["new"]) ** 2 / part["variance"])
        return math.sqrt((6 + sum(scores)) / (6 + len(scores)))


def alike(row: Row) -> list[tuple[Any, int]]:
    """Returns the groups of alike deals, the narrowest first, each with the deals that it needs."""
    pipeline, stage, age = row["pipeline_id"], row["status_id"], row["age"]
    narrow = [
        ((pipeline, stage, age, row["responsible_user_id"]), ENOUGH_OF_MANAGER), ((pipeline, stage, age), ENOUGH),
        (("of pipeline", pipeline, age), ENOUGH), (("of account", age), 1 if age == DEAD else ENOUGH),
    ]  # fmt: skip
    return narrow if age == DEAD else [*narrow, ((pipeline, stage), ENOUGH), ((pipeline,), 1)]


def contains(row: Row, at: datetime) -> bool:
    return bool(row["from_at_local"] <= at and (row["to_at_local"] is None or row["to_at_local"] > at))


def month_after(moment: datetime) -> datetime:
    return months_earlier(moment, -1)


def significant(number: float) -> float:
    if number < 1:
        return 0.0
    unit = math.pow(10.0, max(math.floor(math.log10(number)) - 3, 0))
    return math.floor(number / unit + 0.500001) * unit


def thousandths(share: float) -> float:
    return math.floor(1000 * share + 0.500001) / 1000


@memoized
def forecast(known: Known) -> list[Row]:
    made, named = Ahead(known), pipelines(known)
    rows = []
    for back, at in made.moments.items():
        for ahead in range(3) if back <= RECORDED else ():
            for pipeline, part in made.parts(back, ahead).items():
                expected, so_far = part["open"] + part["new"], float(part["so_far"])
                seen = max(made.parts(back, month)[pipeline]["seen"] for month in range(3))
                enough = seen >= ENOUGH and part["months"] == NEWCOMER_MONTHS and (expected > 0 or not ahead)
                shown = {"from_open": part["open"], "from_new": part["new"], "expected": so_far + expected}
                if enough:
                    deviation = math.sqrt(part["variance"]) * made.off_by(back, ahead, pipeline)
                    log = math.log(1 + (deviation / expected) ** 2) if expected else 0
                    for name, sign in (("low", -1), ("high", 1)):
                        shown[name] = so_far + expected * math.exp(sign * QUANTILE * math.sqrt(log) - log / 2)
                month = months_earlier(at.replace(day=1), -ahead)
                rows.append({
                    "months_back": back, "months_ahead": ahead, "month": f"{month:%Y-%m-%d}", "pipeline_id": pipeline,
                    "pipeline_name": named.get(pipeline), "made_at_local": at, "sales_seen": part["seen"],
                    "sold_so_far": part["so_far"], "sold_month_before": part["before"],
                    "sold": part["so_far"] + part["rest"] if back > ahead else None,
                    "budget_cap": made.caps[back], "currency": known.currency,
                    **{
                        name: significant(shown[name]) if enough else None
                        for name in ("from_open", "from_new", "expected", "low", "high")
                    },
                })  # fmt: skip
    return rows


def pipelines(known: Known) -> dict[int | None, str | None]:
    return {row["pipeline_id"]: row["pipeline_name"] for row in known.all("statuses")}


@memoized
def forecast_stages(known: Known) -> list[Row]:
    made, named = Ahead(known), names(known)
    budgets_known = known.has_history("deal_sale_changes")
    rows = []
    for pipeline in sorted(made.pipelines):
        chances_by_month = [made.chances(0, ahead, pipeline) for ahead in range(3)]
        open_deals = [row for (_, of), row in made.open.get(0, {}).items() if of == pipeline]
        for (status, age), of in grouped(open_deals, lambda row: (row["status_id"], row["age"])).items():
            row = {
                "pipeline_id": pipeline, "pipeline_name": named.get((pipeline, status), (None, None))[0],
                "status_id": status, "status_name": named.get((pipeline, status), (None, None))[1], "age": age,
                "deals": len(of), "budget": sum((one["budget"] for one in of), Decimal(0)) if budgets_known else None,
                "currency": known.currency,
            }  # fmt: skip
            for ahead, chances in enumerate(chances_by_month):
                like = [one for one in chances if (one[0]["status_id"], one[0]["age"]) == (status, age)]
                row[f"chance_{ahead}"] = thousandths(mean(c for _, c, _, _ in like)) if like else None
                row[f"expected_{ahead}"] = significant(sum(c * m for _, c, m, _ in like)) if like else None
            rows.append(row)
    return rows


@memoized
def capped_deals(known: Known) -> list[Row]:
    """Returns the open deals, and the won ones of the past months that the forecast uses, whose budget is capped."""
    made = Ahead(known)
    backs: dict[int, int] = {}
    for back in sorted(made.moments, reverse=True):
        later = {d: m for d, _, when, m in made.sales if made.foreseen(back, when) is not None and 0 < back <= 14}
        now = {deal: row["budget"] for (deal, _), row in made.open.get(back, {}).items() if back == 0}
        backs |= {deal: back for deal, money in {**later, **now}.items() if made.capped(back, money) < money}
    columns = (
        "deal_id", "name", "pipeline_id", "pipeline_name", "status_id", "status_name", "stage_kind",
        "responsible_user_id", "responsible_name", "budget", "currency",
    )  # fmt: skip
    return [
        {name: deal[name] for name in columns} | {"budget_cap": made.caps[backs[deal["deal_id"]]]}
        for deal in deals(known)
        if deal["deal_id"] in backs
    ]


def mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return sum(found) / len(found)


__all__ = ["capped_deals", "forecast", "forecast_stages", "queue", "today"]
