"""Plays dates of a year, for three accounts in one database, and says what is wrong on them.

Nothing is, if every verb ends well, says nothing that is not true, and its numbers are the oracle's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

from amocrm_warehouse.database import reading
from amocrm_warehouse.report.choice import last_months
from sandbox import writes

from . import models
from .assistant import ask
from .expected import Row
from .expected import marts as oracle
from .expected.marts import page as expected_page
from .report_numbers import check_answers, digest_lines, of_fourteen_digits, plain
from .sheets import tables_of
from .warehouse import copied
from .year import Day, Year, at

END = at("2028-12-31T23:59")
"""When people stop working in the account."""
IDLE = ("a Sunday after a Saturday on which nobody did anything",)
UNCOMPARED = {"completeness", "sales_plan"}
"""The marts about syncs and verifications, whose results are asserted by themselves, and of plans, as in the digest."""
LISTS = {"deals"}
"""Sheets of the workbook that list rows by name, of several accounts together."""


def played(
    folder: Path, stack: ExitStack, begin: str, connected: str, dates: dict[str, str]
) -> Callable[[str], list[str]]:
    """Returns what is wrong on a date of the year, which is played up to it.

    `begin`: when people begin to work in the account. `connected`: when access to the accounts is given, before the
    first date. `dates`: by name, in order.
    """
    year = Year(folder, stack, at(begin), at(connected), END, 300)
    ahead, wrong = iter(dates.items()), dict[str, list[str]]()

    def on(name: str) -> list[str]:
        while name not in wrong:
            date_played, text = next(ahead)
            wrong[date_played] = play(year, date_played, at(text))
        return wrong[name]

    return on


def play(year: Year, name: str, moment: int) -> list[str]:
    """Plays a day and prints what it said. Returns what is wrong, in words."""
    day = Day(f"{date.fromtimestamp(moment)}")
    year.go_to(moment, work=name not in IDLE)
    happen(year, name)
    year.clock.advance(60)  # events of the very second of a sync come with the next one
    known = [year.nord.known, year.west.known]
    try:
        year.sync(day)
        with ThreadPoolExecutor(1) as beside:
            rows = beside.submit(oracle.marts, *known)
            year.report(day)
        built = copied(year.database, year.folder)
        with ThreadPoolExecutor(1) as beside:
            compared = beside.submit(differences, year, day, known, rows.result(), built)
            year.verify(day)
            if day.month not in year.published:
                year.publish(day)
        wrong = [*ended_badly(day), *compared.result(), *of_assistant(year)]
    finally:
        for verb, done in day.said.items():
            print(f"== {name}, {day.name}, {verb}: {done.returncode}, {day.cpu[verb]:.1f} s")
            print(f"{done.stdout}{done.stderr}", flush=True)
    print("\n".join(wrong), flush=True)
    return wrong


def happen(year: Year, name: str) -> None:
    """What an administrator does on that day."""
    account, people = year.nord.server.account, year.people.people
    if name == "a Monday":
        writes.remove_user(account, people[5])
    month = f"{date.fromtimestamp(year.clock.now()):%Y-%m}"
    wanted = 9_000_000 if int(month[-2:]) % 2 else 300_000  # out of reach, and soon reached
    for user in people[:3]:
        year.plans.setdefault((month, user), Decimal(wanted))


def ended_badly(day: Day) -> list[str]:
    wrong = []
    for verb, done in day.said.items():
        is_well = done.returncode == (1 if verb == "sync south" else 0)
        said = done.stdout + done.stderr
        if not is_well or "Traceback" in said:
            wrong.append(f"{verb} ended with {done.returncode}: {said[-1500:]}")
    return wrong


def differences(year: Year, day: Day, known: list[oracle.Known], rows: dict[str, list[Row]], built: str) -> list[str]:
    """Compares marts, digests and workbook with what the accounts held when they were synced.

    `rows`: of the marts. `built`: a copy of the database, as the models left it.
    """
    year.digest(day, built)
    return [*of_marts(rows, built), *of_digests(day, known), *of_workbook(year, day, known, built)]


def of_marts(expected: dict[str, list[Row]], built: str) -> list[str]:
    problems = []
    with models.asking(built) as ask_database:
        for name, rows in expected.items():
            read = ask_database(f"SELECT * FROM amocrm_marts.{name}") if name not in UNCOMPARED else rows
            found = [{column: value for column, value in row.items() if not column.startswith("cf_")} for row in read]
            for row in found if name == "entity_history" else ():
                row["value"] = float(row["value"]) if row["field"] == "budget" else row["value"]
            problems += models.different(name, rows, found) if rows else [f"{name}: {row}" for row in found[:2]]
    return problems


def of_digests(day: Day, known: list[oracle.Known]) -> list[str]:
    problems = []
    for language, verb in {"en": "report", "ru": "digest"}.items():
        parts = [part.splitlines() for part in day.said[verb].stdout.strip("\n").split("\n\n")]
        wanted = [digest_lines(one, language=language) for one in known]
        # lines about mass changes and about what is out of habit may come after these
        told = [line for own, lines in zip(parts, wanted, strict=True) for line in own[: len(lines)]]
        pairs = zip_longest(*map(of_fourteen_digits, (told, [line for lines in wanted for line in lines])))
        problems += [f"digest {language}: {found!r}, not {line!r}" for found, line in pairs if found != line]
    return problems


def of_workbook(year: Year, day: Day, known: list[oracle.Known], built: str) -> list[str]:
    problems = []
    with reading(built) as run:
        chosen = last_months(run)
    book = tables_of(year.folder / f"{day.name}.xlsx", "en")
    for one in known:
        choice = expected_page.Choice((one,), chosen.since, chosen.until)
        for name, rows in ((name, rows) for name, rows in book.items() if name not in LISTS):
            try:
                check_answers({name: [row for row in rows if row["project_id"] == one.project]}, choice)
            except AssertionError as error:
                problems.append(f"workbook of {one.project}, {name}: {error}")
    return problems


def of_assistant(year: Year) -> list[str]:
    known, this = year.nord.known, {"project": "nord", "period": "this_month"}
    today = known.local(known.now)
    assert today
    figures = expected_page.figures(expected_page.Choice((known,), today.date().replace(day=1), today.date()))
    overview, *others = ask(year.database, ("sales", this), ("queue", {"project": "nord"}), ("plan", this))
    problems = [f"assistant: {answer}" for answer in (overview, *others) if isinstance(answer, str)]
    told = {} if isinstance(overview, str) else overview["total"][0]
    for name in ("created", "won", "won_budget", "live"):
        if plain(told.get(name)) != plain(figures[name]):
            problems.append(f"assistant, {name}: {told.get(name)}, not {figures[name]}")
    return problems
