"""Tables of the assistant's answers about single cards: those that wait, those found, and one card whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from amocrm_warehouse.assistant.asking import Asking, Row, local_moment, with_links
from amocrm_warehouse.assistant.card_queries import FIND_WORDS, LARGE, SMALL
from amocrm_warehouse.assistant.tool_arguments import Refused
from amocrm_warehouse.assistant.why import diagnosis, read_facts
from amocrm_warehouse.database import quoted_table
from amocrm_warehouse.report.choice import listed
from amocrm_warehouse.report.page_queries import ACTIVITY, REASONS, TOUCHES
from amocrm_warehouse.table_names import table_name


def cards(ask: Asking) -> list[Row]:
    """Returns each card once, with every reason for which it waits; the highest budgets first."""
    found: dict[Any, Row] = {}
    for row in ask.rows("today"):
        card = found.setdefault(
            (row["project_id"], row["entity_type"], row["entity_id"] or -row["item_id"]),
            {
                "project_id": row["project_id"], "card": row["card"],
                "link": ask.link(row, row["entity_type"], "entity_id"), "pipeline_name": row["pipeline_name"],
                "stage": row["stage"], "budget": row["budget"], "currency": row["currency"], "reasons": [],
            },
        )  # fmt: skip
        reason = {
            "why": row["why"], "manager": row["manager"], "is_deactivated": row.get("is_deactivated"),
            "days": row["days"], "since": row["since_at_local"],
            "usual_days": row["usual_days"], "channel" if row["why"] == "waiting" else "task": row["text"],
        }  # fmt: skip
        card["reasons"].append({name: value for name, value in reason.items() if value is not None})
    return list(found.values())


def queue(ask: Asking) -> list[Row]:
    """Returns whom to turn to next, the most urgent first: each card once for each manager, with its link."""
    hidden = ("user_id", "entity_type", "entity_id", "item_id", "why", "text")
    return [
        {name: value for name, value in row.items() if name not in hidden and value is not None}
        | {"reasons": row["why"].split(" "), "link": ask.link(row, row["entity_type"], "entity_id")}
        for row in ask.rows("queue")
    ]


def waiting(ask: Asking) -> list[Row]:
    """Returns how much waits in each account; a deal that waits for two people counts once in the money."""
    each = cards(ask)
    dead = {row["project_id"]: {name: row[name] for name in ("dead", "dead_budget")} for row in ask.rows("dead")}
    return [
        row | dead[row["project_id"]]
        | {"cards": len(own), "budget": sum((card["budget"] or 0 for card in own), Decimal(0)),
           "currency": next((card["currency"] for card in own), None)}
        for row in ask.rows("reasons_today")
        for own in [[card for card in each if card["project_id"] == row["project_id"]]]
    ]  # fmt: skip


def waiting_by_manager(ask: Asking) -> list[Row]:
    found: dict[Any, Row] = {}
    budgets: dict[Any, dict[Any, Any]] = {}
    for row in ask.rows("today"):
        key = row["project_id"], row["user_id"]
        person = found.setdefault(
            key,
            {
                "project_id": key[0],
                "user_id": key[1],
                "manager": row["manager"],
                **({"is_deactivated": True} if "is_deactivated" in row else {}),
                **dict.fromkeys(REASONS, 0),
                "currency": row["currency"],
            },
        )
        person[row["why"]] += 1
        budgets.setdefault(key, {})[row["entity_type"], row["entity_id"] or -row["item_id"]] = row["budget"] or 0
    for key, own in budgets.items():
        found[key] |= {"cards": len(own), "budget": sum(own.values(), Decimal(0))}
    return sorted(found.values(), key=lambda row: (str(row["currency"]), -row["budget"], -row["cards"]))


def stale(ask: Asking) -> list[Row]:
    """Returns the deals in which nothing has happened for long, of accounts of which it is known."""
    return ask.known("stale", with_links("stale")(ask))


def deal(ask: Asking) -> list[Row]:
    """Returns the history of one deal. Raises ValueError if no account has it, or if the moment is to come."""
    moments, found = ask.moments(), spans(ask)
    for project in found:
        now = local_moment(ask.built_at.replace(tzinfo=timezone.utc), ask.accounts[project]["time_zone"])
        if moments and moments[project] > now:
            raise Refused(
                f"The moment {moments[project]} had not come yet when the marts were built, at {now} by the account's "
                "clock. Give an earlier one; without at the answer ends with the present state."
            )
    by_utc = ("from_at", "to_at")
    return [
        {name: row[name] for name in row if name not in by_utc} | {"link": ask.link(row)}
        for project, rows in found.items()
        for row in rows
        if not moments or is_within(moments[project], row)
    ]


def spans(ask: Asking) -> dict[str, list[Row]]:
    """Returns the history of one deal by account, the earliest first; of another card none. Raises ValueError."""
    if ask.kind != "deal":
        return {}
    number = ask.id
    found: dict[str, list[Row]] = {row["project_id"]: [] for row in ask.rows("card_deal", id=number)}
    if not found:
        raise ValueError(f"There is no deal {number} in {', '.join(ask.choice.days)}.")
    for row in ask.rows("deal", deal=number):
        found[row["project_id"]].append(row)
    return found


def is_within(at: datetime, span: Row) -> bool:
    """Returns whether a moment by the account's clock is in a span of a deal's history."""
    return span["from_at_local"] <= at and (span["to_at_local"] is None or at < span["to_at_local"])


def without_history(ask: Asking) -> list[str]:
    """Returns a sentence for each account's deal that has no history at the moment asked for, or none at all."""
    moments, found = ask.moments(), []
    for project, rows in spans(ask).items():
        deal = f"Deal {ask.id} of {project}"
        if not rows:
            found.append(f"{deal} has no history: its creation is unknown.")
        elif moments and moments[project] < rows[0]["from_at_local"]:
            found.append(f"{deal} was not there yet: its history begins at {rows[0]['from_at_local']}.")
        elif moments and not any(is_within(moments[project], row) for row in rows):
            found.append(f"{deal} was not there any more: it was deleted at {rows[-1]['to_at_local']}.")
    return found


def deals(ask: Asking) -> list[Row]:
    """Returns the deals of a list. Raises Missing where a filter needs tables that were not read."""
    filters = {name: ask.values.get(name) for name in OF_DEALS_LIST}
    if filters["untouched"]:
        ask.lacking(TOUCHES)
    if filters["days_without_activity"] is not None or ask.values.get("order") == "inactive":
        ask.lacking(ACTIVITY)
    filters |= {"state": ask.values.get("state", "all"), "order": ask.values.get("order", "budget")}
    return [row | {"link": ask.link(row)} for row in ask.rows("deals", **(filters | ask.parameters))]


OF_DEALS_LIST = ("budget_from", "budget_to", "days_in_stage", "days_without_activity", "untouched")
LINK = re.compile(r"/(leads|contacts|companies)/detail/(\d+)")
KINDS = {"leads": "deal", "contacts": "contact", "companies": "company"}


def found(ask: Asking) -> list[Row]:
    """Returns the cards with the words, phone, address, id or link asked for; the nearest first."""
    query = ask.values["query"]
    words, digits = query.casefold().translate(str.maketrans(LARGE, SMALL)).strip(), re.sub(r"\D", "", query)
    is_number = re.fullmatch(r"[\d\s()+.\-]+", query) is not None
    by_link = LINK.search(query)
    if is_number and len(digits) == 11 and digits[0] in "78":
        digits = digits[1:]
    is_text = not (is_number or by_link or "@" in words)
    each = dict(enumerate((re.findall(r"\w+", words) or words.split()) if is_text else []))
    values: dict[str, Any] = {f"word_{place}": each.get(place, "") for place in range(FIND_WORDS)}
    values |= {
        "words": words if is_text else "", "digits": digits if is_number and len(digits) >= FEWEST_DIGITS else "",
        "email": words if "@" in words else "", "kind": KINDS[by_link[1]] if by_link else ask.values.get("kind"),
        "number": int(by_link[2]) if by_link else int(digits) if query.strip().isdigit() else None, "nothing": "",
    }  # fmt: skip
    return [
        {name: value for name, value in row.items() if value is not None and name != "rank"}
        | {"link": ask.link(row, row["kind"], "id")}
        for row in ask.rows("found", **values)
    ]


FEWEST_DIGITS = 4
"""The fewest digits of a phone by which it is looked for."""


def deals_of_found(ask: Asking) -> list[Row]:
    """Returns the deals of the contacts and companies that were found."""
    cards: dict[str, list[tuple[str, int]]] = {"contact": [], "company": [], "deal": []}
    for row in found(ask)[:MOST_CLIENTS]:
        cards[row["kind"]].append((row["project_id"], row["id"]))
    if not cards["contact"] and not cards["company"]:
        return []
    own: dict[str, Any] = {"contacts": listed(cards["contact"]), "companies": listed(cards["company"])}
    return [row | {"link": ask.link(row)} for row in ask.rows("deals_of_found", **own)]


MOST_CLIENTS = 20
"""The most clients of an answer whose deals it lists."""


def reasons_why(ask: Asking) -> list[Row]:
    """Returns for each account why a card is missing in it, or counts as it does."""
    if ask.only is not None and not ask.is_seen:
        raise Refused(f"There is no {ask.kind} {ask.id} among the cards that you may see.")
    return [
        {"project_id": project} | diagnosis(read_facts(ask.run, project, ask.kind, ask.id))
        for project in ask.choice.days
    ]


def hidden(ask: Asking) -> list[str]:
    """Returns a sentence for accounts whose personal data cannot be found, if nothing was found."""
    projects = [row["project_id"] for row in ask.rows("are_hidden")]
    return [
        f"Personal data of {', '.join(projects)} were hashed or dropped when the account was read (personal_data): "
        "phones, addresses and names cannot be found by it. Search by id, or in amoCRM."
    ] if projects and not found(ask) else []  # fmt: skip


def head(ask: Asking) -> list[Row]:
    """Returns the card itself, without empty columns. Raises ValueError if it is not there."""
    rows = ask.rows(f"card_{ask.kind}", id=ask.id)
    if not rows:
        raise ValueError(
            f"There is no {ask.kind} {ask.id} in {', '.join(ask.choice.days)}. The tool why says for what reason."
        )
    return [
        {name: value for name, value in row.items() if value is not None and not name.startswith("cf_")
         and name != "of_account"}
        | {"link": ask.link(row, ask.kind, f"{ask.kind}_id")}
        for row in rows
    ]  # fmt: skip


def of_card(name: str, kinds: str = "deal contact company", texts: str = "") -> Callable[[Asking], list[Row]]:
    """Returns a function of the rows of a card's part. `texts`: the connector's table with the text of each row."""

    def rows(ask: Asking) -> list[Row]:
        if ask.kind not in kinds or not ask.is_seen:
            return []
        asked = ask.rows(name.format(kind=ask.kind), kind=ask.kind, id=ask.id)
        written = texts_of(ask, texts, asked) if texts and asked else {}
        return [
            {name: value for name, value in row.items() if value is not None}
            | ({"text": written[row["project_id"], row[f"{texts[:-1]}_id"]]}
               if (row["project_id"], row.get(f"{texts[:-1]}_id")) in written else {})
            | ({"link": ask.link(row)} if "deal_id" in row else {})
            for row in asked
        ]  # fmt: skip

    return rows


def texts_of(ask: Asking, table: str, rows: list[Row]) -> dict[tuple[str, Any], str]:
    """Returns the texts that the connector's tables hold of notes or messages; none where they were not read."""
    found: dict[tuple[str, Any], str] = {}
    key = f"{table[:-1]}_id"
    for project in {row["project_id"] for row in rows}:
        schemas = ask.run(TABLES_WITH_TEXT, name=table_name(project, table))[1]
        ids = ", ".join(sorted({repr(row[key]) for row in rows if row["project_id"] == project}))
        for (schema,) in schemas[:1]:
            held = quoted_table(ask.run, schema, table_name(project, table))
            found |= {
                (project, number): text
                for number, text in ask.run(
                    f'select {key}, "text" from {held} where {key} in ({ids}) and "text" is not null'
                )[1]
            }
    return found


TABLES_WITH_TEXT = """
    select table_schema from information_schema.columns where table_name = $name and column_name = 'text' order by 1
"""
