"""How people handle incoming chats, calls and new deals, and who is worst by each measure."""

from __future__ import annotations

from typing import Any

from amocrm_warehouse.assistant.answer_rows import middle
from amocrm_warehouse.assistant.asking import Asking, Row, share
from amocrm_warehouse.report.like_with_like import FEW

PARTS = {
    "incoming_chats": ("talks", "answered", "not_answered"),
    "incoming_calls": ("calls_in", "missed_calls", "missed_and_left"),
    "incoming_deals": ("new_deals", "touched", "untouched_and_open"),
    "incoming_waiting": ("waiting_now",),
}
"""Queries, each with its counts."""


def incoming(ask: Asking) -> list[Row]:
    """Returns what each person did with the clients who wrote, called or became a deal."""
    people = {(row["project_id"], row["user_id"]): row for row in ask.rows("everybody")}
    found: dict[Any, Row] = {}
    for name in PARTS:
        for row in ask.rows(name):
            project, user, caller = row["project_id"], row["user_id"], row.pop("manager", None)
            known = people.get((project, user))
            person: Row = {
                "project_id": project, "user_id": user,
                "manager": known["manager"] if known else "robot" if user == 0 else f"№ {user}" if user else caller,
                "is_present_user": bool(known and known["is_present_user"]),
            }  # fmt: skip
            for counts in PARTS.values():
                person |= dict.fromkeys(counts, 0)
            found.setdefault((project, user, None if user else caller), person).update(row)
    rows = [ask.with_unknown(row) for row in found.values()]
    for row in rows:
        row["missed_share"] = share(row["missed_calls"], row["calls_in"])
        row["not_answered_share"] = share(row["not_answered"], row["talks"])
    most = ("talks", "calls_in", "new_deals")
    return sorted(rows, key=lambda row: (-sum(row[one] or 0 for one in most), str(row["manager"])))


MEASURES = {
    "first_response": ("answered", FEW, "median minutes until a person first answered a chat"),
    "not_answered_share": ("talks", FEW, "chats of the days that no person has answered"),
    "missed_share": ("calls_in", FEW, "incoming calls of the days that lasted 0 seconds"),
    "first_touch": ("touched", FEW, "median minutes from a deal's creation to a person's first call or message"),
    "waiting_now": ("waiting_now", 0, "clients who wait for a person's answer in a chat now"),
}
"""The measure of incoming: the number of cases, the least number that counts, and the name of the measure."""


def worst(ask: Asking) -> list[Row]:
    """Returns who is worst by each measure, among present users with enough cases, beside the median of these users.

    Nobody is worst among equals, nor alone.
    """
    people = [row for row in incoming(ask) if row["is_present_user"]]
    found = []
    for measure, (cases, enough, means) in MEASURES.items():
        own = [row for row in people if (row[cases] or 0) >= enough and row.get(measure) is not None]
        if len({row[measure] for row in own}) > 1:
            last = max(own, key=lambda row: (row[measure], row[cases]))
            found.append({
                "measure": measure, "means": means, "manager": last["manager"], "project_id": last["project_id"],
                measure: last[measure], "cases": last[cases], "people_compared": len(own),
                f"median_of_people_{measure}": middle(row[measure] for row in own),
            })  # fmt: skip
    return found
