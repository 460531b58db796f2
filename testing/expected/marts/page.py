"""The oracle of the report: computes each of its tables for a choice of accounts, period, pipeline and people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import floor
from typing import Any

from .. import Row
from . import ahead
from .conversations import conversations
from .deal_activity import ACTIVITY
from .deals import LOST, WON, began, deal_stage_history, deals
from .known import Known, amount, at, grouped
from .mass_changes import mass_changes, pairs
from .people import calls, manager_activity, tasks_open, touches
from .totals import CROSSED, ended, goods_sold, half_left, lost_from, money_between, stale_deals, stays_of

Table = list[list[Any]]
COUNTS = ("calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done")
AGES = ((0, 7), (7, 30), (30, 90), (90, 10**9))


@dataclass(frozen=True)
class Choice:
    """A choice in the page. `pipeline`, `users`: None for all."""

    known: tuple[Known, ...]
    first: date
    last: date
    pipeline: int | None = None
    users: frozenset[int] | None = None
    deals: frozenset[int] | None = None
    """Ids of the only deals that filters by tag, source or field leave. None: all."""
    reported: tuple[Known, ...] = ()
    """All accounts of the report."""

    def has(self, moment: datetime | None) -> bool:
        return moment is not None and self.first <= moment.date() <= self.last

    def fits(self, pipeline: int | None, user: int | None) -> bool:
        return self.pipeline in (None, pipeline) and (self.users is None or user in self.users)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @cached_property
    def there(self) -> list[tuple[Known, Row]]:
        return [
            (known, deal)
            for known in self.known
            for deal in deals(known)
            if not deal["is_deleted"] and (self.deals is None or deal["deal_id"] in self.deals)
        ]

    def created(self) -> list[tuple[Known, Row]]:
        return [
            (known, deal)
            for known, deal in self.there
            if self.has(deal["created_at_local"]) and self.fits(deal["pipeline_id"], deal["responsible_user_id"])
        ]

    def closed(self) -> list[tuple[Known, Row]]:
        return [
            (known, deal)
            for known, deal in self.there
            if deal["stage_kind"] in ("won", "lost")
            and self.has(ended(deal))
            and self.fits(deal["pipeline_id"], deal["closer_id"])
        ]

    def open(self) -> list[tuple[Known, Row]]:
        return [
            (known, deal)
            for known, deal in self.there
            if deal["stage_kind"] in ("open", "unsorted")
            and self.fits(deal["pipeline_id"], deal["responsible_user_id"])
        ]


def money(rows: Iterable[Row]) -> Decimal:
    return sum((amount(row["budget"]) for row in rows), Decimal(0))


def of_kind(found: Iterable[tuple[Known, Row]], kind: str) -> list[Row]:
    return [deal for _, deal in found if deal["stage_kind"] == kind]


def ratio(part: Any, whole: Any) -> float | None:
    return float(Decimal(part) / Decimal(whole)) if whole else None


def tenths(seconds: int) -> int:
    return seconds // 8_640


def middle(numbers: Sequence[float]) -> float | None:
    found = sorted(numbers)
    half = len(found) // 2
    return None if not found else float(found[half]) if len(found) % 2 else (found[half - 1] + found[half]) / 2


def figures(choice: Choice) -> Row:
    won, lost = of_kind(choice.closed(), "won"), of_kind(choice.closed(), "lost")
    cycle = middle([tenths(deal["seconds_to_close"]) for deal in won if deal["seconds_to_close"] is not None])
    return {
        "created": len(choice.created()), "won": len(won), "won_budget": money(won),
        "rate": ratio(len(won), len(won) + len(lost)), "average": ratio(money(won), len(won)),
        "days_to_win": None if cycle is None else cycle / 10, **in_work(choice),
    }  # fmt: skip


def in_work(choice: Choice) -> Row:
    """Returns the number of live deals; of all open ones, if nobody knows which are dead."""
    if not all(map(is_activity_known, choice.known)):
        return {"open": len(choice.open())}
    return {"live": len(choice.open()) - sum(row["is_dead"] for row in stale_rows(choice))}


USUAL_MONTHS = 6
FEW = 5
"""The fewest deals of which a number is compared in percent, or called unusual."""


def cases(choice: Choice) -> dict[str, int]:
    """Returns how many deals each figure is of."""
    won, closed = of_kind(choice.closed(), "won"), choice.closed()
    return {
        "created": len(choice.created()), "won": len(won), "won_budget": len(won), "average": len(won),
        "rate": len(closed), "lost": len(closed) - len(won),
        "days_to_win": sum(deal["seconds_to_close"] is not None for deal in won),
        "first_touch": sum(deal["seconds_to_first_response"] is not None for _, deal in choice.created()),
    }  # fmt: skip


AVERAGES = ("rate", "average", "days_to_win", "first_touch")


def is_comparable(name: str, now: float, before: float) -> bool:
    """Returns whether a figure of so many deals may be compared with one of so many before."""
    return before >= FEW and (now >= FEW or name not in AVERAGES)


def first_touch(choice: Choice) -> float | None:
    """Returns the median of the minutes after which a person first called or wrote to a new deal."""
    waits = [deal["seconds_to_first_response"] for _, deal in choice.created()]
    return middle([wait // 60 for wait in waits if wait is not None])


def first_touch_working(choice: Choice) -> float | None:
    """Returns the median of the minutes of working time after which a person first called or wrote to a new deal."""
    waits = [deal["working_seconds_to_first_response"] for _, deal in choice.created()]
    return middle([wait // 60 for wait in waits if wait is not None])


def touched_by(choice: Choice) -> Table:
    """Returns by manager: new deals, those that a person has touched, the first touch in working and calendar time."""
    of: dict[Any, list[Row]] = {}
    for known, deal in choice.created():
        of.setdefault((known.project, known.user(deal["responsible_user_id"])), []).append(deal)
    rows = []
    for (_, name), found in of.items():
        touched = [deal for deal in found if deal["seconds_to_first_response"] is not None]
        halves = [
            middle([deal[column] // 60 for deal in touched])
            for column in ("working_seconds_to_first_response", "seconds_to_first_response")
        ]
        rows.append([name, len(found), len(touched), *halves])
    return rows


def of_month(choice: Choice) -> Row:
    won, lost = of_kind(choice.closed(), "won"), of_kind(choice.closed(), "lost")
    return {
        "won_budget": money(won), "created": len(choice.created()), "first_touch": first_touch(choice),
        "won": len(won), "lost": len(lost),
    }  # fmt: skip


def whole_month(choice: Choice) -> Choice:
    """Returns the choice in the present month, with the days that are still to come."""
    today = day_of(choice)
    first = datetime(today.year, today.month, 1)
    return replace(choice, first=first.date(), last=ahead.month_after(first).date() - timedelta(days=1))


def same_days(choice: Choice, months: int) -> Choice:
    """Returns the choice in the days of an earlier month that are those of the present one so far."""
    today = day_of(choice)
    first = ahead.months_earlier(datetime(today.year, today.month, 1), months)
    return replace(choice, first=first.date(), last=as_many_days_in(today, months))


def as_many_days_in(today: date, months: int) -> date:
    """Returns the last day of an earlier month by whose end people had worked as many days as by that of today, unless
    they work on today and that day is off: the day of work before it then. There is one day at least."""
    first = ahead.months_earlier(datetime(today.year, today.month, 1), months).date()
    month = [first + timedelta(days=n) for n in range((ahead.month_after(at_midnight(first)).date() - first).days)]
    worked = ahead.work_days(today.replace(day=1), today)
    if ahead.work_days(first, month[-1]) < worked:
        return month[-1]
    days = [day for day in month if ahead.work_days(first, day) <= worked]
    if ahead.work_days(today, today):
        days = [day for day in days if ahead.work_days(day, day)]
    return max(days, default=first)


def at_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def forecast_of_month(choice: Choice) -> Row | None:
    """Returns the forecast of the present month: there is one of all people and all deals of one account."""
    found = [
        row
        for known in choice.known
        for row in ahead.forecast(known)
        if choice.users is None and choice.deals is None and row["pipeline_id"] == choice.pipeline
        if not row["months_back"] and not row["months_ahead"]
    ]
    return found[0] if len(found) == 1 else None


def this_month(choice: Choice, since: date) -> tuple[Row, list[tuple[str, Any, float]]]:
    """Returns the figures of the first screen, and each unusual one with its value and the usual one.

    `since`: the first day that the page holds.
    """
    today, whole = day_of(choice), whole_month(choice)
    figures = of_month(whole)
    _, plan = month_so_far(choice)
    if plan is not None:
        sold, left = sold_by_planned(choice), days_left(choice)
        figures |= {"plan_share": ratio(sold, plan), "needed": max(plan - sold, Decimal(0)) / left}
    if (forecast := forecast_of_month(choice)) and forecast["expected"] is not None:
        figures["expected"] = forecast["expected"]
    usual, past, present = [], [], cases(replace(whole, last=today))
    for months in range(1, USUAL_MONTHS + 1):
        then = same_days(choice, months)
        if then.first >= since:
            usual.append(of_month(then))
            past.append(cases(then))
    unusual = []
    for name, now in of_month(replace(whole, last=today)).items():
        before = [float(one[name]) for one in usual if one[name] is not None]
        if len(before) == USUAL_MONTHS and now is not None and (half := middle(before)):
            is_outside = not min(before) <= float(now) <= max(before)
            is_outside &= is_comparable(name, present[name], middle([one[name] for one in past]) or 0)
            if is_outside and abs(float(now) / half - 1) >= 0.2:
                unusual.append((name, now, half))
    return figures, unusual


@dataclass(frozen=True)
class Pipeline:
    """A table about one pipeline.

    `stays`, `sorts`: of each stage of the funnel, the number of stays and the stage's order.
    """

    id: int
    name: str
    deals: int
    rows: Table
    stays: tuple[int, ...] = ()
    sorts: tuple[int, ...] = ()


def pipeline_names(known: Known) -> dict[int, str]:
    return {row["pipeline_id"]: row["pipeline_name"] for row in known.all("statuses")}


def funnel(choice: Choice) -> list[Pipeline]:
    """Returns the funnel of each pipeline, the pipeline with the most deals first."""
    found: list[Pipeline] = []
    for known in choice.known:
        starts, before = began(known), lost_from(known)
        there = {deal["deal_id"]: deal for of, deal in choice.there if of is known}
        stays = [
            row
            for row in deal_stage_history(known)
            if row["deal_id"] in there
            and choice.has(known.local(starts[row["deal_id"]]))
            and choice.fits(row["pipeline_id"], there[row["deal_id"]]["responsible_user_id"])
        ]
        for (pipeline,), stays_of_pipeline in grouped(stays, lambda row: (row["pipeline_id"],)).items():
            way = [r for r in known.all("statuses") if r["pipeline_id"] == pipeline and r["status_id"] != LOST]
            cohort = {row["deal_id"] for row in stays_of_pipeline}
            sort = {row["status_id"]: row["status_sort"] for row in way}
            reach = {
                deal: max(
                    (
                        sort[row["status_id"]]
                        for row in stays_of_pipeline
                        if row["deal_id"] == deal and row["status_id"] in sort
                        if row["stage_kind"] == "open"
                        or (row["status_id"] == WON and there[deal]["pipeline_id"] == pipeline
                            and there[deal]["status_id"] == WON)
                    ),
                    default=-1,
                )
                for deal in cohort
            }  # fmt: skip
            table: Table = []
            stayed: list[int] = []
            previous = None
            has_moves = known.has_history("deal_statuses")
            way.sort(key=lambda row: (row["status_sort"], row["status_id"]))
            for stage in way:
                stays_of_stage = [row for row in stays_of_pipeline if row["status_id"] == stage["status_id"]]
                unsorted, won = bool(stage["status_type"]), stage["status_id"] == WON
                reached = (
                    len({row["deal_id"] for row in stays_of_stage})
                    if unsorted
                    else sum(sort_of >= stage["status_sort"] for sort_of in reach.values())
                )
                lost = sum(before.get(deal) == (pipeline, stage["status_id"]) for deal in cohort) if has_moves else None
                times = [] if won else [(tenths(lasted), over) for lasted, over in stays_of(known, stays_of_stage)]
                half = half_left(times)
                table.append([
                    stage["status_name"], reached, None if unsorted or previous is None else ratio(reached, previous),
                    ratio(reached, len(cohort)), lost, ratio(lost, reached) if has_moves else None,
                    None if half is None else half / 10,
                    None if won or not has_moves else sum(not over for _, over in times),
                ])  # fmt: skip
                stayed.append(len(times))
                previous = previous if unsorted else reached
            if table:
                sorts = tuple(stage["status_sort"] for stage in way)
                found.append(Pipeline(pipeline, way[0]["pipeline_name"], len(cohort), table, tuple(stayed), sorts))
    return sorted(found, key=lambda one: -one.deals)


def money_by(choice: Choice, bucket: Callable[[date], str]) -> Table:
    """Returns the sales of each part of the period, without plans. `bucket`: names the part to which a day belongs."""
    closed = choice.closed()
    rows = []
    for name in dict.fromkeys(map(bucket, choice.days)):
        closed_then = [(known, deal) for known, deal in closed if (end := ended(deal)) and bucket(end.date()) == name]
        won = of_kind(closed_then, "won")
        rows.append([name, len(won), money(won), len(closed_then) - len(won)])
    return rows if closed else []


def managers(choice: Choice) -> Table:
    """Returns the sales of each manager, without plans."""
    return list(managers_by_id(choice).values())


def is_activity_known(known: Known) -> bool:
    return all(map(known.was_read, ACTIVITY))


def managers_by_id(choice: Choice) -> dict[tuple[str, int | None], list[Any]]:
    sold = grouped(
        [{"known": known.project, **deal} for known, deal in choice.closed()], lambda d: (d["known"], d["closer_id"])
    )
    stale = grouped(stale_rows(choice), lambda row: (row["known"].project, row["responsible_user_id"]))
    tasks: dict[Any, list[Row]] = {}
    for known in choice.known:
        pipelines = known.by("deals", "lead_id", "pipeline_id")
        for task in tasks_open(known):
            pipeline = pipelines.get(task["entity_id"]) if task["entity_type"] == "deal" else None
            if choice.fits(pipeline, task["responsible_user_id"]):
                tasks.setdefault((known.project, task["responsible_user_id"]), []).append(task)
    by_project = {known.project: known for known in choice.known}
    rows = {}
    for manager in sold.keys() | stale.keys() | tasks.keys():
        deals_of = sold.get(manager, [])
        won = [deal for deal in deals_of if deal["stage_kind"] == "won"]
        rows[manager] = [
            by_project[manager[0]].user(manager[1]), len(won), money(won), len(deals_of) - len(won),
            ratio(len(won), len(deals_of)), ratio(money(won), len(won)),
            sum(task["is_overdue"] for task in tasks.get(manager, []))
            if by_project[manager[0]].was_read("tasks") else None,
            len(stale.get(manager, [])) if is_activity_known(by_project[manager[0]]) else None,
        ]  # fmt: skip
    return rows


REASONS = ("untouched", "no_task", "slow", "waiting", "overdue_task")


def is_known(known: Known, reason: str) -> bool:
    """Whether the tables that show this reason were read."""
    tables = {
        "untouched": "calls messages tasks", "no_task": "tasks", "slow": "deal_statuses", "waiting": "messages talks",
        "overdue_task": "tasks",
    }  # fmt: skip
    return all(map(known.was_read, tables[reason].split()))


def count_of(choice: Choice, rows: Iterable[Row], reason: str) -> int | None:
    """Counts the rows with a reason. None if no account of the choice has read its table."""
    if not any(is_known(known, reason) for known in choice.known):
        return None
    return len([row for row in rows if row["reason"] == reason])


def today(choice: Choice) -> list[Table]:
    """Returns the open work of each manager."""
    people, _ = waiting(choice)
    return [[list(person.values()) for person in people]] if people else []


def card_of(row: Row) -> tuple[str | None, int]:
    """Returns the card of an item. A task without one is a card of its own."""
    return row["entity_type"], row["entity_id"] or -row["item_id"]


def waiting(choice: Choice) -> tuple[list[Row], list[Row]]:
    """Returns the sums of each manager, and the cards with open work, the highest budgets first."""
    people: dict[Any, Row] = {}
    cards: list[Row] = []
    for known in choice.known:
        rows = [row for row in ahead.today(known) if choice.fits(row["pipeline_id"], row["responsible_user_id"])]
        for (pipeline, user), of_manager in grouped(
            rows, lambda r: (r["pipeline_id"], r["responsible_user_id"])
        ).items():
            each = []
            for (kind, number), of in grouped(of_manager, card_of).items():
                days = [row["days"] for row in of if row["days"] is not None]
                each.append(
                    of[0]
                    | {"reasons": " ".join(sorted({row["reason"] for row in of})), "days": max(days, default=None)}
                    | {"place": (kind or "~", number or 0, known.project, user is None, user or 0)}
                )
            person = people.setdefault(
                (known.project, user),
                {
                    "name": known.user(user),
                    **{reason: 0 if is_known(known, reason) else None for reason in REASONS},
                    "cards": 0,
                    "budget": Decimal(0),
                },
            )
            for reason in REASONS:
                if person[reason] is not None:
                    person[reason] += sum(row["reason"] == reason for row in of_manager)
            person["cards"] += len(each)
            person["budget"] += money(each)
            cards += each
            assert pipeline is None or choice.pipeline in (None, pipeline)
    return list(people.values()), sorted(cards, key=dearest)


def all_time_talks(choice: Choice) -> list[tuple[Known, Row]]:
    """Returns the talks of the choice in which a client wrote, whenever they began."""
    found = []
    for known in choice.known:
        pipelines = known.by("deals", "lead_id", "pipeline_id")
        for talk in conversations(known):
            if talk["messages_in"] and choice.fits(pipelines.get(talk["deal_id"]), talk["responsible_user_id"]):
                found.append((known, talk))
    return found


def talks(choice: Choice) -> list[tuple[Known, Row]]:
    """Returns the talks that began in the period."""
    return [(known, talk) for known, talk in all_time_talks(choice) if choice.has(talk["started_at_local"])]


def waiting_talks(choice: Choice) -> list[tuple[Known, Row]]:
    """Returns the talks in which a client waits now."""
    return [(known, talk) for known, talk in all_time_talks(choice) if talk["is_unanswered"]]


def answered(talks: list[Row]) -> list[Any]:
    """Counts the talks, all, answered by a person, by robots only and by nobody, with the median wait."""
    waits = [talk["seconds_to_first_response"] for talk in talks if talk["seconds_to_first_response"] is not None]
    by = [talk["answered_by"] for talk in talks]
    return [
        len(talks), middle([wait // 60 for wait in waits]), *(by.count(who) for who in ("person", "robot", None)),
    ]  # fmt: skip


def talks_by(choice: Choice, key: Callable[[Known, Row], Any], *, with_waiting: bool = True) -> Table:
    """Returns the counts of the period's talks by key and, `with_waiting`, of all talks in which a client waits."""
    groups: dict[Any, list[Row]] = {}
    waiting: dict[Any, int] = {}
    for known, talk in talks(choice):
        groups.setdefault(key(known, talk), []).append(talk)
    for known, talk in waiting_talks(choice) if with_waiting else ():
        groups.setdefault(key(known, talk), [])
        waiting[key(known, talk)] = waiting.get(key(known, talk), 0) + 1
    unread = {known.project for known in choice.known if not known.was_read("talks")}

    def waits(group: Any) -> int | None:
        is_unknown = group[0] in unread if isinstance(group, tuple) else unread
        return None if is_unknown else waiting.get(group, 0)

    return [[group, *answered(of), *([waits(group)] if with_waiting else [])] for group, of in groups.items()]


def talks_by_manager(choice: Choice) -> Table:
    """Returns the talks of each manager, with the manager's id and name."""
    rows = talks_by(choice, lambda known, talk: (known.project, user := talk["responsible_user_id"], known.user(user)))
    return [[*key[1:], *of] for key, *of in rows]


def talks_by_hour(choice: Choice) -> Table:
    return talks_by(choice, lambda _, talk: talk["started_at_local"].hour, with_waiting=False)


def all_talks(choice: Choice) -> Table:
    """Returns the talks by manager, then by channel, then by hour."""
    return [
        *(row[1:] for row in talks_by_manager(choice)), *talks_by(choice, lambda _, talk: talk["channel"]),
        *talks_by_hour(choice),
    ]  # fmt: skip


def queue(choice: Choice) -> list[tuple[str, Table]]:
    """Returns the ten most urgent cards of each manager, and the dead deals, each list under its name."""
    found: list[tuple[str, Table]] = []
    for known in choice.known:
        rows = [row for row in ahead.queue(known) if choice.fits(row["pipeline_id"], row["responsible_user_id"])]
        for (user,), of in grouped(rows, lambda row: (row["responsible_user_id"],)).items():
            first = sorted(of, key=lambda row: row["place"])[:10]
            shown = ("entity_name", "reasons", "status_name", "working_minutes", "days", "budget")
            table = [[row[name] for name in shown] for row in first]
            found.append((f"{known.user(user) or 'nobody'}: shown {len(first)} of {len(of):,}", table))
    return found


def dead_deals(choice: Choice) -> Table:
    """Returns the hundred dead deals with the highest budgets."""
    dead = [row for row in stale_rows(choice) if row["is_dead"]]
    dead.sort(key=lambda row: (
        -amount(row["budget"]), -row["days_without_activity"], row["deal_id"], row["known"].project,
    ))  # fmt: skip
    return [
        [row["name"], row["responsible_name"], stage_of(row), row["budget"], row["days_without_activity"]]
        for row in dead[:100]
    ]


def stage_of(row: Row) -> str:
    """Returns the name of a deal's stage, or its number if the account no longer has it."""
    return str(row["status_name"] or f"#{row['status_id']}")


def dearest(row: Row) -> Any:
    return -amount(row["budget"]), -(-1 if row["days"] is None else row["days"]), row["place"]


def forecast(choice: Choice) -> Table:
    """Returns the rows of the forecast's tables: the months, the stages, and the days of the present month."""
    rows: Table = []
    for known in choice.known:
        forecasts = [
            row
            for row in ahead.forecast(known)
            if row["pipeline_id"] == choice.pipeline and not (row["months_back"] and row["months_ahead"])
        ]
        in_order = sorted(forecasts, key=lambda r: (-r["months_back"], r["months_ahead"]))
        for row in in_order if any(row["expected"] is not None and not row["months_back"] for row in in_order) else ():
            sold = row["sold"] if row["months_back"] else None
            off = None
            if sold is not None and row["expected"] is not None:
                off = ratio(abs(row["expected"] - float(sold)), sold)
            rows.append([
                row["month"][:7], row["expected"], row["low"], row["high"], sold, off, row["sold_so_far"],
                row["from_open"], row["from_new"],
            ])  # fmt: skip
        if choice.pipeline is not None:
            stages = [row for row in ahead.forecast_stages(known) if row["pipeline_id"] == choice.pipeline]
            rows += [
                [row["status_name"] or f"#{row['status_id']}", row["age"], row["deals"], row["budget"], row["chance_0"],
                 *(row[f"expected_{month}"] for month in range(3))]
                for row in stages
            ]  # fmt: skip
    won, plan = month_so_far(choice)
    for day in range(1, day_of(choice).day + 1) if won or plan is not None else ():
        then, until = [deal for end, deal in won if end.day == day], [deal for end, deal in won if end.day <= day]
        planned = [] if plan is None else [planned_by(choice, day_of(choice).replace(day=day))]
        rows.append([f"{day_of(choice).replace(day=day)}", len(then), money(then), money(until), *planned])
    return rows


def day_of(choice: Choice) -> date:
    """Returns today's date by the account's clock."""
    now = choice.known[0].local(choice.known[0].now)
    assert now is not None
    return now.date()


def month_so_far(choice: Choice) -> tuple[list[tuple[datetime, Row]], Decimal | None]:
    """Returns the deals won in the present month, and the month's plan, which exists only without a pipeline."""
    today = day_of(choice)
    won = of_kind(replace(choice, first=today.replace(day=1), last=today).closed(), "won")
    plans = [
        plan
        for known in choice.known
        for (month, user), plan in known.plans.items()
        if month == f"{today:%Y-%m}" and choice.pipeline is None and choice.deals is None and choice.fits(None, user)
    ]
    return [(end, deal) for deal in won if (end := ended(deal))], sum(plans, Decimal(0)) if plans else None


def sold_by_planned(choice: Choice) -> Decimal:
    """Sums the sales in the present month of the users who have a plan for it."""
    today = day_of(choice)
    return money(
        deal
        for known, deal in replace(choice, first=today.replace(day=1), last=today).closed()
        if deal["stage_kind"] == "won" and (f"{today:%Y-%m}", deal["closer_id"]) in known.plans
    )


def planned_by(choice: Choice, day: date) -> int:
    """Returns the part of the month's plan due by the end of a day, if every day of work has an equal part."""
    _, plan = month_so_far(choice)
    return floor(float(plan or 0) * part_of_month(day) + 0.5)


def part_of_month(day: date) -> float:
    """Returns which part of the days of work of a day's month has passed by the end of the day."""
    first, last = day.replace(day=1), ahead.month_after(datetime(day.year, day.month, 1)).date() - timedelta(days=1)
    return ahead.work_days(first, day) / ahead.work_days(first, last)


def days_left(choice: Choice) -> int:
    """Returns how many days of work the present month has left, today among them, at least one."""
    return max(ahead.work_days(day_of(choice), whole_month(choice).last), 1)


def plan_so_far(known: Known, month: str, plan: Decimal) -> Decimal:
    """Returns the part of a plan for the days of its month that have passed."""
    today = day_of(Choice((known,), date.min, date.min))
    if month != f"{today:%Y-%m}":
        return plan if month < f"{today:%Y-%m}" else Decimal(0)
    return Decimal(str(floor(float(plan) * part_of_month(today) * 100 + 0.500001) / 100))


def live(choice: Choice) -> tuple[int, Decimal, int, Decimal] | None:
    """Returns the open deals that are not dead and their money, then the dead ones; None if there are no open ones, or
    if it is not known which are dead."""
    there = [deal for _, deal in choice.open()]
    if not there or not all(map(is_activity_known, choice.known)):
        return None
    dead = [row for row in stale_rows(choice) if row["is_dead"]]
    return len(there) - len(dead), money(there) - money(dead), len(dead), money(dead)


def near(choice: Choice) -> list[Choice]:
    """Returns the choice on the last day of work, and in the last week."""
    today = day_of(choice)
    day = next(one for back in range(1, 31) if ahead.work_days(one := today - timedelta(days=back), one))
    monday = today - timedelta(days=today.isoweekday() + 6)
    return [replace(choice, first=day, last=day), replace(choice, first=monday, last=monday + timedelta(days=6))]


def reasons(choice: Choice) -> Table:
    lost = of_kind(choice.closed(), "lost")
    groups = grouped(lost, lambda deal: (deal["loss_reason"],)).items()
    return [[reason, len(deals_of), ratio(len(deals_of), len(lost)), money(deals_of)] for (reason,), deals_of in groups]


def reasons_by_month(choice: Choice) -> Table:
    lost = of_kind(choice.closed(), "lost")
    groups = grouped(lost, lambda deal: (f"{ended(deal):%Y-%m}", deal["loss_reason"])).items()
    return [[*key, len(deals_of), money(deals_of)] for key, deals_of in groups]


def sold_of_created(found: list[Row]) -> list[Any]:
    """Returns how many deals were created, how many of them are won now, that share, and their money."""
    won = [deal for deal in found if deal["stage_kind"] == "won"]
    return [len(found), len(won), ratio(len(won), len(found)), money(won)]


SPEEDS = (5, 15, 60, 240)
"""Minutes of working time until the first touch that end a class."""


def speed_of(deal: Row) -> int | None:
    """Returns the class of the time until the first touch; None if nobody has touched the deal."""
    waited = deal["working_seconds_to_first_response"]
    return None if waited is None else sum(waited > 60 * minutes for minutes in SPEEDS)


def speeds(choice: Choice) -> Table:
    groups = grouped([deal for _, deal in choice.created()], lambda deal: (speed_of(deal),))
    return [[speed, *sold_of_created(of)] for (speed,), of in groups.items()]


def repeat(choice: Choice) -> Table:
    groups = grouped([deal for _, deal in choice.created()], lambda deal: (deal["is_repeat"],))
    return [[is_repeat, *sold_of_created(of)] for (is_repeat,), of in groups.items()]


def repeat_sold(choice: Choice) -> Table:
    """Returns created deals and sales of new and of repeat customers."""
    closed = grouped([deal for _, deal in choice.closed()], lambda deal: (deal["is_repeat"],))
    created = {key: rest for key, *rest in repeat(choice)}
    rows = []
    for key in {*created, *(key for (key,) in closed)}:
        won = [deal for deal in closed.get((key,), []) if deal["stage_kind"] == "won"]
        deals_of, won_of, share, _ = created.get(key, [0, 0, None, 0])
        rows.append([key, deals_of, won_of, share, len(won), money(won), ratio(money(won), len(won))])
    return rows


def created_by_hour(choice: Choice) -> Table:
    """Counts created deals by weekday and hour."""
    counted = [[0] * 24 for _ in range(7)]
    for _, deal in choice.created():
        counted[deal["created_at_local"].weekday()][deal["created_at_local"].hour] += 1
    rows: Table = [[day, *of, sum(of)] for day, of in enumerate(counted)]
    return rows if any(row[-1] for row in rows) else []


def incoming_calls(choice: Choice) -> Table:
    """Returns the incoming calls of each user: id, name, all, missed, called back, within an hour, and waits."""
    counted: dict[tuple[str, Any, Any], list[int]] = {}
    waits: dict[tuple[str, Any, Any], list[float]] = {}
    for known in choice.known:
        pipelines = known.by("deals", "lead_id", "pipeline_id")
        for call in calls(known):
            user = call["manager_id"]
            if (
                call["direction"] == "in"
                and choice.has(call["created_at_local"])
                and choice.fits(pipelines.get(call["deal_id"]), user)
            ):
                name = call["manager_name"] if user is None else known.user(user)
                own = counted.setdefault((known.project, user, name), [0] * 4)
                back = call["is_missed"] and call["called_back_at"] is not None
                for place, counts in enumerate((True, call["is_missed"], back, call["is_called_back_in_hour"])):
                    own[place] += bool(counts)
                minutes = waits.setdefault((known.project, user, name), [])
                minutes += [(call["called_back_at"] - call["created_at"]).total_seconds() // 60] if back else []
    return [[*key[1:], *of, waits[key]] for key, of in counted.items()]


MOVES = (
    "came_new", "came_back", "priced", "grew", "moved_in", "shrank", "moved_out", "left_won", "left_lost",
    "left_deleted",
)  # fmt: skip


def moved(choice: Choice) -> Table:
    """Returns the open money of each pipeline and user: its moves in the period, and both ends."""
    first, after = (
        datetime(day.year, day.month, day.day)
        for day in (choice.first, min(choice.last, day_of(choice)) + timedelta(1))
    )
    rows = []
    for known in choice.known:
        for (pipeline, user), row in money_between(known, first, after).items():
            if choice.fits(pipeline, user):
                name = pipeline_names(known).get(pipeline) or f"#{pipeline}"
                amounts = [row[name] for name in (*MOVES, *CROSSED, "at_start", "at_end")]
                is_known = known.has_history("deal_sale_changes")
                rows.append([pipeline, name, user, known.user(user), *(amounts if is_known else [None] * len(amounts))])
    return rows


def moved_by(choice: Choice, column: int) -> Table:
    """Returns the same of each pipeline (column 1) or user (3), both ends and the moves between, in the page's order.

    Between two rows of a table only what left one of them for the other has moved. In a choice of users, what comes to
    a pipeline may come from a user outside the choice, and of a pipeline likewise.
    """
    names = {name: name for name in MOVES}
    if (choice.users if column == 1 else choice.pipeline) is None:
        kind = "pipelines" if column == 1 else "managers"
        names |= {"moved_in": f"from_other_{kind}", "moved_out": f"to_other_{kind}"}
    sums: dict[Any, dict[str, Decimal]] = {}
    for row in moved(choice):
        if row[-1] is not None:
            own = sums.setdefault(row[column], {})
            for name, value in zip((*MOVES, *CROSSED, "at_start", "at_end"), row[4:], strict=True):
                own[name] = own.get(name, Decimal(0)) + value
    return [[key, of["at_start"], *(of[names[name]] for name in MOVES), of["at_end"]] for key, of in sums.items()]


def goods(choice: Choice) -> Table:
    """Returns each good that was sold: whether by purchases, the number of sales, the quantity and the amount."""
    rows = []
    for known in choice.known:
        sold = [
            row
            for row in goods_sold(known)
            if choice.has(row["sold_at_local"]) and choice.fits(row["pipeline_id"], row["responsible_user_id"])
        ]
        groups = grouped(sold, lambda r: (r["name"], r["entity_type"] == "customer", r["catalog_element_id"]))
        for (name, is_purchase, _), of in groups.items():
            sales = {row["transaction_id"] or row["entity_id"] for row in of}
            amounts = [row["amount_now"] for row in of if row["amount_now"] is not None]
            quantity = sum(Decimal(str(row["quantity"])) for row in of)
            rows.append([name, is_purchase, len(sales), quantity, sum(amounts, Decimal(0)) if amounts else None])
    return rows


def source_of(deal: Row) -> Any:
    return deal["utm_source"] if deal["source_name"] is None else deal["source_name"]


def sources(choice: Choice, told_as: Callable[[Row], Any] = source_of) -> Table:
    """Returns by source the deals created, with those of them that are won, and then the sales of the period."""
    created = grouped([deal for _, deal in choice.created()], lambda deal: (told_as(deal),))
    closed = grouped(of_kind(choice.closed(), "won"), lambda deal: (told_as(deal),))
    rows = []
    for source in {**created, **closed}:
        sold = closed.get(source, [])
        rows.append([*source, *sold_of_created(created.get(source, [])), len(sold), money(sold)])
    return rows


def whole_months(choice: Choice) -> int:
    """Returns the number of whole months in the period, of which the last may end today; 0 for other periods."""
    ends_well = (choice.last + timedelta(days=1)).day == 1 or choice.last == day_of(choice)
    if choice.first.day > 1 or not ends_well:
        return 0
    return 12 * (choice.last.year - choice.first.year) + choice.last.month - choice.first.month + 1


def earlier(choice: Choice, day: date) -> date:
    """Returns the day that was to the days before what `day` is to the choice."""
    if months := whole_months(choice):
        return (
            as_many_days_in(day, months)
            if day == day_of(choice)
            else ahead.months_earlier(at_midnight(day), months).date()
        )
    return day - (timedelta(days=7) if choice.first == choice.last else choice.last - choice.first + timedelta(days=1))


def before(choice: Choice, first: date) -> Choice | None:
    """Returns the days with which a choice is compared: the same days, and whole months if all its months are over.

    None if they begin before `first`.
    """
    start, last = earlier(choice, choice.first), choice.first - timedelta(days=1)
    if choice.last == day_of(choice) or choice.first == choice.last:
        last = earlier(choice, choice.last)
    return None if start < first else replace(choice, first=start, last=last)


def first_day(known: Known) -> date:
    """Returns the first day of the account's first month with deals or plans; date.max for an account without any."""
    moments = [
        deal[name]
        for deal in deals(known)
        for name in ("created_at_local", "closed_at_local")
        if deal[name] and not deal["is_deleted"]
    ]
    months = [*(f"{moment:%Y-%m}" for moment in moments), *(month for month, _ in known.plans)]
    return date.fromisoformat(f"{min(months)}-01") if months else date.max


def rates_before(choice: Choice) -> dict[tuple[str, int | None], float | None]:
    """Returns each manager's share of won deals in the days before; of accounts whose data reach back to them."""
    found: dict[tuple[str, int | None], float | None] = {}
    for known in choice.known:
        own = replace(choice, known=(known,))
        then = before(replace(own, last=min(own.last, day_of(own))), first_day(known))
        for manager, row in managers_by_id(then).items() if then else ():
            found[manager] = row[4]
    return found


def beside(now: list[tuple[Any, Row]], then: list[tuple[Any, Row]] | None, left_out: Iterable[Any] = ()) -> Table:
    """Returns for each name the sales now and then, the change, and the ratio of the sales now to their median.

    Neither of fewer than FEW deals: a change by those of then, the ratio by the median of their numbers.
    `left_out`: names that are no part of the median, and are not held against it.
    """
    names = {name for name, deal in (*now, *(then or [])) if deal["stage_kind"] == "won"}
    rows: Table = []
    won = {name: [deal for seller, deal in now if seller == name and deal["stage_kind"] == "won"] for name in names}
    sold = {name: money(deals_of) for name, deals_of in won.items()}
    is_told = (middle([len(won[name]) for name in names if name not in left_out]) or 0) >= FEW
    for name in names if len(names) > 1 else ():
        old = [deal for seller, deal in then or [] if seller == name and deal["stage_kind"] == "won"]
        was = None if then is None else money(old)
        change = float(sold[name]) / float(was) - 1 if was and len(old) >= FEW else None
        usual = middle([float(amount) for one, amount in sold.items() if one not in left_out]) or 0
        rows.append(
            [name, sold[name], was, change, ratio(sold[name], usual) if is_told and name not in left_out else None]
        )
    return rows


def is_at_work(user: Row) -> bool:
    """Returns whether a user has access to the account; one of whom amoCRM does not tell has."""
    return user["is_active"] is not False


def managers_beside(choice: Choice, then: Choice | None) -> Table:
    def closed(one: Choice) -> list[tuple[Any, Row]]:
        return [((known.project, known.user(deal["closer_id"])), deal) for known, deal in one.closed()]

    found = closed(choice) + (closed(then) if then else [])
    people = {(known.project, row["name"]) for known in choice.known for row in known.all("users") if is_at_work(row)}

    def rate(one: Choice | None, name: Any) -> float | None:
        of = [deal for seller, deal in closed(one) if seller == name] if one else []
        return ratio(sum(deal["stage_kind"] == "won" for deal in of), len(of))

    rows = beside(closed(choice), closed(then) if then else None, {name for name, _ in found} - people)
    return [[row[0][1], *row[1:], rate(choice, row[0]), rate(then, row[0])] for row in rows]


def sources_beside(choice: Choice, then: Choice | None, told_as: Callable[[Row], Any] = source_of) -> Table:
    def created(one: Choice) -> list[tuple[Any, Row]]:
        return [(told_as(deal), deal) for _, deal in one.created()]

    as_early = [
        (source, deal)
        for source, deal in (created(then) if then else [])
        if (end := ended(deal)) and end.date() <= earlier(choice, day_of(choice))
    ]
    return beside(created(choice), as_early if then else None)


def cohorts(choice: Choice) -> Table:
    now = choice.known[0].local(choice.known[0].now)
    assert now is not None
    rows: Table = []
    by_month: dict[datetime, list[Row]] = {}
    for _, deal in choice.created():
        by_month.setdefault(deal["created_at_local"].replace(day=1, hour=0, minute=0, second=0), []).append(deal)
    for month, of in by_month.items():
        won = [deal for deal in of if deal["stage_kind"] == "won"]
        row: list[Any] = [f"{month:%Y-%m}", len(of), len(won), money(won)]
        for months in (0, 1, 2, 3, 6, 12):
            end = ahead.months_earlier(month, -months - 1)
            row.append(ratio(sum((ended(d) or end) < end for d in won), len(of)) if end <= now else None)
        rows.append(row)
    return rows


def stuck(choice: Choice) -> list[Pipeline]:
    """Returns the open deals of each pipeline by stage and age; an unknown age is left out if no deal has it."""
    found = []
    unknown = any(
        deal["deal_id"] not in {row["deal_id"] for row in deal_stage_history(of) if row["is_last"] and row["from_at"]}
        for of in choice.known
        for own, deal in choice.open()
        if own is of
    )
    for known in choice.known:
        pipelines = pipeline_names(known)
        since = {row["deal_id"]: row["from_at"] for row in deal_stage_history(known) if row["is_last"]}
        named = {(r["pipeline_id"], r["status_id"]): r["status_name"] for r in known.all("statuses")}
        aged = [
            deal | {"age": None if (start := since.get(deal["deal_id"])) is None else (known.now - start).days}
            for of, deal in choice.open()
            if of is known
        ]
        for (pipeline,), open_deals in grouped(aged, lambda deal: (deal["pipeline_id"],)).items():
            stages = grouped(open_deals, lambda deal: (deal["status_id"],))
            counts = {status: ages([deal["age"] for deal in of]) for (status,), of in stages.items()}
            shown = range(5 if unknown else 4)
            rows = [
                [named.get((pipeline, status)) or f"#{status}", *(counts[status][age] for age in shown), len(of),
                 money(of)]
                for (status,), of in stages.items()
            ]  # fmt: skip
            found.append(Pipeline(pipeline, pipelines.get(pipeline) or f"#{pipeline}", len(open_deals), rows))
    return found


def ages(days: list[int | None]) -> list[int]:
    counts = [sum(age is not None and low <= max(age, 0) < high for age in days) for low, high in AGES]
    return [*counts, sum(age is None for age in days)]


def stale_rows(choice: Choice) -> list[Row]:
    """Returns the stale deals. Which ones are is not known of an account whose activity was not read."""
    return [
        {"known": known, **row}
        for known in choice.known
        if is_activity_known(known)
        for row in stale_deals(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
        if choice.deals is None or row["deal_id"] in choice.deals
    ]


def stale(choice: Choice) -> Table:
    """Returns the twenty stale deals with the highest budgets."""
    rows = sorted(
        stale_rows(choice), key=lambda row: (-amount(row["budget"]), -row["days_without_activity"], row["deal_id"])
    )
    return [
        [row["name"], row["pipeline_name"] or f"#{row['pipeline_id']}", stage_of(row), row["responsible_name"],
         row["budget"],
         row["days_without_activity"], row["open_tasks"]]
        for row in rows[:20]
    ]  # fmt: skip


def hours(choice: Choice) -> Table:
    """Counts what people did by weekday and hour, in the months that the period touches."""
    counted = [[0] * 24 for _ in range(7)]
    months = {
        (choice.first + timedelta(days=n)).strftime("%Y-%m") for n in range((choice.last - choice.first).days + 1)
    }
    for known in choice.known:
        for pipeline, user, moment in touches(known):
            if f"{moment:%Y-%m}" in months and choice.fits(pipeline, user if isinstance(user, int) else None):
                counted[moment.weekday()][moment.hour] += 1
    rows: Table = [[day, *of, sum(of)] for day, of in enumerate(counted)]
    return rows if any(row[-1] for row in rows) else []


SHOWN_BY = {"calls_out": "calls", "calls_in": "calls", "talk_seconds": "calls", "stage_moves": "deal_statuses",
            "tasks_done": "tasks"}  # fmt: skip
"""The tables without which what people did is unknown, where they have other names."""


def work(choice: Choice) -> Table:
    """Returns the work of each user in all pipelines, with the user's id."""
    rows = []
    for known in choice.known:
        days = [
            row
            for row in manager_activity(known)
            if choice.first <= date.fromisoformat(row["day"]) <= choice.last
            and (choice.users is None or row["user_id"] in choice.users)
            and any(row[count] for count in COUNTS)
        ]
        for who, of in grouped(days, lambda row: (row["user_id"], row["user_name"])).items():
            known_counts = [count for count in COUNTS if known.was_read(SHOWN_BY.get(count, count))]
            rows.append([*who, *(sum(row[c] for row in of) if c in known_counts else None for c in COUNTS)])
    return rows


CHANGED = {"responsible": "responsible user", "tag": "tags", "task": "tasks"}
"""The kinds of mass changes that the page calls otherwise."""


def at_once(choice: Choice, is_news: bool = True) -> Table:
    """Returns the mass changes that are news, or those that are habit."""
    return [
        [f"{row['first_changed_at_local']:%Y-%m-%dT%H:%M:%SZ}", row["author_name"],
         CHANGED.get(row["kind"], row["kind"]), row["cards"], pairs(known, row["change_id"]), row["money"]]
        for known in choice.known for row in mass_changes(known)
        if choice.has(row["first_changed_at_local"]) and (choice.users is None or row["author_id"] in choice.users)
        if row["is_news"] == is_news
    ]  # fmt: skip


def freshness(choice: Choice, read: Iterable[str]) -> Table:
    """Returns the numbers of rows and of deleted rows and the newest time of each table that an account has."""
    rows = []
    for known in choice.known:
        for name in sorted(set(read) & known.rows.keys() - known.absent):
            found = known.held(name)
            marked = any(row.get("is_deleted") is not None for row in found)
            dated = next((one for one in ("updated_at", "created_at", "listed_at") if found and one in found[0]), None)
            moments = [
                row[dated] for row in found if dated and row[dated] and (at(row[dated]) or known.now) <= known.now
            ]
            deleted = sum(bool(row["is_deleted"]) for row in found) if marked else None
            rows.append([name, len(found), deleted, max(moments, default=None)])
    return rows


__all__ = [
    "ACTIVITY",
    "Choice", "all_talks", "answered", "at", "at_once", "before", "cohorts", "dead_deals", "figures", "forecast",
    "freshness", "funnel", "hours", "managers", "managers_beside", "managers_by_id", "money_by", "pipeline_names",
    "queue", "reasons", "source_of", "sources", "sources_beside", "stale", "stuck", "talks", "talks_by_manager",
    "today", "waiting", "work",
]  # fmt: skip
