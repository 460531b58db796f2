"""How people handle incoming chats, calls and new deals, and who is worst by each measure."""

from __future__ import annotations

from typing import Any

from amocrm_warehouse.mcp_shapes import Asking, Missing, Row, middle, share

ENOUGH = 5
"""Fewer cases than so many say nothing about a manager."""
INCOMING = ("incoming_chats", "incoming_calls", "incoming_deals", "incoming_waiting")
COUNTS = (
    "talks", "answered", "not_answered", "waiting_now", "calls_in", "missed_calls", "missed_and_left", "new_deals",
    "touched", "untouched_and_open",
)  # fmt: skip


KNOWN_BY = {
    "messages": ("talks", "answered", "not_answered", "waiting_now"),
    "calls": ("calls_in", "missed_calls", "missed_and_left"),
}
"""Counts that are unknown if a table was not read."""


def incoming(ask: Asking) -> list[Row]:
    """Returns what each person did with the clients who wrote, called or became a deal."""
    names = {(row["project_id"], row["user_id"]): row["manager"] for row in ask.rows("everybody")}
    found: dict[Any, Row] = {}
    unknown: set[str] = set()
    for name in INCOMING:
        try:
            rows = ask.rows(name)
        except Missing:
            unknown.add(name)
            continue
        for row in rows:
            key = row["project_id"], row["user_id"], row.get("manager") if row["user_id"] is None else None
            empty = {
                "project_id": key[0], "user_id": key[1], "manager": names.get(key[:2], key[2]),
                "is_present_user": key[:2] in names and not str(names[key[:2]]).startswith("#"),
            } | dict.fromkeys(COUNTS, 0)  # fmt: skip
            if key[1] == 0:
                empty["manager"] = "robot"
            found.setdefault(key, empty).update({one: row[one] for one in row if one not in empty or one in COUNTS})
    unread = {(row["project_id"], row["table"]) for row in ask.rows("freshness") if not row["was_read"]}
    for row in found.values():
        for table, counts in KNOWN_BY.items():
            if (row["project_id"], table) in unread:
                row |= dict.fromkeys(counts)
        row["missed_share"] = share(row["missed_calls"], row["calls_in"])
        row["not_answered_share"] = share(row["not_answered"], row["talks"])
    most = ("talks", "calls_in", "new_deals")
    return sorted(found.values(), key=lambda row: (-sum(row[one] or 0 for one in most), str(row["manager"])))


MEASURES = {
    "first_response": ("answered", ENOUGH, "median minutes until a person first answered a chat"),
    "not_answered_share": ("talks", ENOUGH, "chats of the days that no person has answered"),
    "missed_share": ("calls_in", ENOUGH, "incoming calls of the days that lasted 0 seconds"),
    "first_touch": ("touched", ENOUGH, "median minutes from a deal's creation to a person's first call or message"),
    "waiting_now": ("waiting_now", 0, "clients who wait for a person's answer in a chat now"),
}
"""How incoming is measured: the number of cases, how many are enough, and what the measure is."""


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
