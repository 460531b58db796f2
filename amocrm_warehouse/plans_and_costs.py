"""Reads files of plans and costs as people and Excel write them, and writes plans as dbt reads them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from amocrm_warehouse.known_names import nearest
from amocrm_warehouse.spreadsheet import SEPARATORS, lines

AMOUNT = re.compile(r"(-?) ?(?:(\d+)|(\d{1,3}([ ',.])\d{3}(?:\4\d{3})*))(?:(?!\4)[.,](\d+))?", re.ASCII)
"""An amount: its sign, the digits before the point (or groups of three with one separator), the digits after it."""
TWO_READINGS = re.compile(r"-?[1-9]\d?\d?[.,]\d{3}", re.ASCII)
"""1,000 is a thousand or one."""
TOTAL = re.compile(r"(?:grand )?total\b|итог|всего\b", re.IGNORECASE)
"""How a cell of a line of totals begins."""
MOST_WRONG = 10
"""Wrong lines of a file that an error names. It only counts further ones."""
CURRENCY = re.compile(r"[₽$€₸]|руб\.?|р\.")
CODES = {"₽": "RUB", "р": "RUB", "$": "USD", "€": "EUR", "₸": "KZT"}
"""Currencies by the first letter of their signs; $ is also the sign of currencies that are not among these."""


def read_plans(path: Path) -> list[list[str]]:
    """Returns rows with the columns of PLANS. Raises ValueError with a sentence if the file cannot be used."""
    return read_rows(path, PLANS, 3, "plans the same month of the same user")


def read_costs(path: Path) -> list[list[str]]:
    """Returns rows with the columns of COSTS. Raises ValueError as read_plans does."""
    return read_rows(path, COSTS, 3, "is of the same month and source", {"project_id"})


def strangers_of_plans(path: Path, people: Mapping[str, Collection[int] | None]) -> list[str]:
    """Returns a sentence for each account, and for each user of an account, that a file plans for and nobody knows.

    `people`: the ids of the users of each account whose models are built, by project; None if they were not read.
    """
    _, [_, *numbered] = lines(path)
    plans = read_plans(path)
    first_line: dict[tuple[str, str], int] = {}
    for (number, _), (project, _, user, _) in zip(numbered, plans, strict=True):
        if project not in people:
            first_line.setdefault((project, ""), number)
        elif (known := people[project]) is not None and int(user) not in known:
            first_line.setdefault((project, user), number)
    return [_stranger(f"Line {number} of {path}", *who, people) for who, number in first_line.items()]


def _stranger(line: str, project: str, user: str, people: Iterable[str]) -> str:
    """Returns the sentence about a plan of an account that is not built, or of a user (not "") whom nobody knows."""
    if user:
        return (
            f"{line}: the account {project} has no user {user} and no deal of theirs, and this plan counts all the "
            "same. Correct the id or remove the line."
        )
    built = ", ".join(people)
    return (
        f"{line}: the account {project} is not among those whose models are built ({built}), so its plans are left out."
    )


def check_currencies(path: Path, currencies: Mapping[str, str | None]) -> None:
    """Raises ValueError for an amount with the sign of another currency than its account's.

    `path`: a file that read_plans or read_costs has read. `currencies`: the code of each account's, by project.
    """
    wrong = []
    _, [(_, names), *numbered] = lines(path)
    for line, cells in numbered:
        row = dict(zip(names, cells, strict=False))
        amount, project = row.get("plan") or row.get("cost") or "", row.get("project_id")
        sign = CURRENCY.search(amount)
        for account in [project] if project else currencies:
            code = currencies.get(account)
            if sign and code in CODES.values() and CODES[sign[0][0]] != code:
                wrong.append(
                    f"Line {line} of {path}: “{amount[:80]}” is no amount in {code}, the currency of the account "
                    f"{account}. Write it in {code}."
                )
                break
    refuse(wrong)


def named_as_in_deals(costs: Sequence[list[str]], sources: Iterable[str]) -> list[list[str]]:
    """Returns the rows of read_costs with the names that sources of deals have; the case of letters does not matter."""
    own = {name.casefold(): name for name in sorted(sources)}
    own |= {name: name for name in sources}
    return [
        [project, month, own.get(source, own.get(source.casefold(), source)), cost]
        for project, month, source, cost in costs
    ]


def notes_on_costs(
    path: Path, costs: Sequence[list[str]], sources: Collection[str], projects: Collection[str]
) -> list[str]:
    """Returns a sentence for each account and source of a file of costs that is not among those of the marts.

    And one for costs of no account, if there are several. `costs`: rows of `named_as_in_deals`.
    """
    found = [
        f"{path}: the account {project} is not among those of the marts ({', '.join(projects)}), so its costs are left "
        "out."
        for project in dict.fromkeys(project for project, *_ in costs)
        if project and project not in projects
    ]
    if len(projects) > 1 and any(not project for project, *_ in costs):
        found.append(f"{path}: costs without an account count whole in each. Name it in a column project_id.")
    return found + [
        f"{path}: no deal has the source “{source}”, so its costs stand alone.{nearest(source, sources)}"
        for source in dict.fromkeys(source for _, _, source, _ in costs if source)
        if source not in sources
    ]


def read_rows(
    path: Path, columns: Mapping[str, Callable[[str], Any]], key: int, same: str, optional: Collection[str] = ()
) -> list[list[str]]:
    """Reads a file whose first `key` columns are its key. `same`: the effect of a line with the key of another line.

    `optional`: columns that a file may lack, and which are then empty.
    """
    separator, [*rows] = lines(path)
    names = rows.pop(0)[1] if rows else []
    needed = [name for name in columns if name not in optional]
    if sorted({*names, *optional}) != sorted(columns) or len({*names}) < len(names):
        found = ",".join(names)[:200] or "nothing"
        how = f", separated by {SEPARATORS[separator]}" if names and separator in (";", "\t") else ""
        raise ValueError(f"The first line of {path} must name the columns {','.join(needed)}; it has {found}{how}.")
    found_rows, wrong, seen = [], list[str](), dict[tuple[str, ...], int]()
    for line, cells in rows:
        row = dict.fromkeys(columns, "") | dict(zip(names, cells, strict=False))
        read = [value_of(name, row[name], parse) for name, parse in columns.items()]
        own = tuple(value for value, _ in read[:key])
        errors = [error for _, error in read if error]
        if len(cells) > len(names):
            how = f" Put a cell with {SEPARATORS[separator]} in it into quotation marks." if separator else ""
            wrong.append(f"Line {line} of {path} has {len(cells)} cells for {len(names)} columns.{how}")
        elif errors and (total := next(filter(TOTAL.match, cells), None)):
            wrong.append(f"Line {line} of {path}: “{total[:80]}” is a line of totals. Remove it.")
        elif errors:
            wrong.append(f"Line {line} of {path}: {' '.join(errors)}")
        elif own in seen:
            wrong.append(f"Line {line} of {path} {same} as line {seen[own]}.")
        else:
            seen[own] = line
            found_rows.append([value for value, _ in read])
    refuse(wrong)
    return found_rows


def refuse(wrong: Sequence[str]) -> None:
    """Raises ValueError if lines of a file are wrong. `wrong`: a sentence about each."""
    more = len(wrong) - MOST_WRONG
    if wrong:
        raise ValueError("\n".join([*wrong[:MOST_WRONG], *([f"And {more} more lines are wrong."] if more > 0 else [])]))


def write_plans(rows: list[list[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(PLANS), *rows])


FIRST_YEAR = 2000
"""Excel takes 26 for 1926 in some settings."""


def month(text: str) -> date:
    """Parses the first day of a month, 2026-01-01 or, as a spreadsheet shows it, 01.01.2026."""
    parts = re.fullmatch(r"(\d\d?)\.(\d\d?)\.(\d{4})", text)
    found = date(int(parts[3]), int(parts[2]), int(parts[1])) if parts else date.fromisoformat(text)
    if found.day != 1 or found.year < FIRST_YEAR:
        raise ValueError
    return found


def money(text: str) -> Decimal:
    """Parses an amount as people and spreadsheets write it: 1 000 000,50 or 1,000,000.50, with a currency or without.

    A number that has two readings, as 1,000, is refused.
    """
    text = re.sub(r"\s", " ", CURRENCY.sub("", text)).strip().replace("−", "-").replace("’", "'")
    found = AMOUNT.fullmatch(text)
    if not found or TWO_READINGS.fullmatch(text):
        raise ValueError
    sign, digits, groups, _, decimals = found.groups()
    return Decimal(f"{sign}{digits or re.sub('[^0-9]', '', groups)}.{decimals or ''}")


def plan(text: str) -> Decimal:
    """Parses a plan, which cannot be below zero."""
    if (found := money(text)) < 0:
        raise ValueError
    return found


def whole(text: str) -> int:
    """Parses an id, also one that a spreadsheet shows as 7 123 456 or 7123456,00."""
    if (found := money(text)) != int(found):
        raise ValueError
    return int(found)


PLANS: dict[str, Callable[[str], Any]] = {
    "project_id": str, "month": month, "responsible_user_id": whole, "plan": plan,
}  # fmt: skip
"""The columns of a file of plans in order, each with the parser of its values."""
COLUMNS_OF_COSTS = "month,source,cost, and project_id for costs of one account"
COSTS: dict[str, Callable[[str], Any]] = {"project_id": str, "month": month, "source": str, "cost": money}
"""The same of a file of costs, whose key is all but the cost. Costs without a project are those of every account."""


def value_of(name: str, text: str, parse: Callable[[str], Any]) -> tuple[str, str]:
    """Returns a cell's value, or a sentence about what is wrong with it."""
    try:
        return str(parse(text)), ""
    except (ValueError, ArithmeticError):
        what = {"month": "the first day of a month, as 2026-01-01", "plan": "a number, zero or more"}
        shown = what.get(name, "a number")
        hint = " Write a thousand as 1000, and one as 1.0." if TWO_READINGS.fullmatch(text) else ""
        return "", f"{name} must be {shown}, and is “{text[:80]}”.{hint}"
