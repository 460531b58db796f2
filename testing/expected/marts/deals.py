"""Expected marts with a row for each deal, or for each period of a deal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .. import Row
from .conversations import author, working
from .deal_activity import forgotten
from .known import CHANGES, KINDS, Known, at, grouped, joined, memoized, month, seconds, unless_negative

Span = tuple[datetime | None, datetime | None, Any]
"""Start and end of a period, and the value in it."""
CODES = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "utm_referrer")
WON, LOST = 142, 143


@memoized
def began(known: Known) -> dict[int, datetime | None]:
    """Returns when each deal was created. A deleted deal's row is empty, so its event's time is taken."""
    added = {row["entity_id"]: row["created_at"] for row in known.all("events") if row["type"] == "lead_added"}
    return {row["lead_id"]: at(row["created_at"] or added.get(row["lead_id"])) for row in known.all("deals")}


@memoized
def known_since(known: Known) -> dict[int, datetime | None]:
    """Returns when each deal's history begins: its creation, first change or deletion, whichever is earliest.

    An integration may set a creation time after the first change.
    """
    found = {**began(known)}
    for name in CHANGES:
        for change in known.all(name):
            moment, deal_id = at(change["created_at"]), change["lead_id"]
            if deal_id in found and moment is not None:
                found[deal_id] = min(found[deal_id] or moment, moment)
    ends = {deal_id: at(row["deleted_at"]) for deal_id, row in gone_at(known).items()}
    return {deal_id: moment and min(moment, ends.get(deal_id) or moment) for deal_id, moment in found.items()}


@memoized
def gone_at(known: Known) -> dict[int, Row]:
    """Returns when each deleted deal was deleted and by whom."""
    events = known.deleted()
    found = {}
    for row in known.all("deals"):
        event = events.get(("deal", row["lead_id"]))
        if event or row["is_deleted"]:
            found[row["lead_id"]] = event or {"deleted_at": row["updated_at"], "created_by": row["updated_by"]}
    return found


def spans(
    known: Known, changes: str, old: Callable[[Row], Any], new: Callable[[Row], Any], present: Callable[[Row], Any]
) -> dict[int, list[Span]]:
    """Returns the values of each deal in order of time, from its changes. The last is the present one, if known."""
    by_deal = grouped(known.all(changes), lambda row: (row["lead_id"],))
    starts = known_since(known) if known.has_history(changes) else {}
    found = {}
    for deal in known.all("deals"):
        own_changes = sorted(
            by_deal.get((deal["lead_id"],), []), key=lambda r: (r["created_at"], r.get("note_id") or r["event_id"])
        )
        values = [old(own_changes[0]) if own_changes else present(deal), *(new(change) for change in own_changes)]
        if own_changes and present(deal) is not None:
            values[-1] = present(deal)
        moments = [starts.get(deal["lead_id"]), *(at(change["created_at"]) for change in own_changes), None]
        found[deal["lead_id"]] = [(moments[n], moments[n + 1], value) for n, value in enumerate(values)]
    return found


@memoized
def stages(known: Known) -> dict[int, list[Span]]:
    """Returns the stays of each deal. One in a stage that no event tells, which can only be the first, is left out."""

    def present(deal: Row) -> tuple[int, int] | None:
        return None if deal["status_id"] is None else (deal["pipeline_id"], deal["status_id"])

    found = spans(
        known,
        "deal_statuses",
        lambda row: None if row["status_old"] is None else (row["pipeline_id_old"], row["status_old"]),
        lambda row: (row["pipeline_id_new"], row["status_new"]),
        present,
    )
    ends = gone_at(known)
    for deal, periods in found.items():
        if deal in ends:
            periods[-1] = (periods[-1][0], at(ends[deal]["deleted_at"]), periods[-1][2])
    return {deal: [span for span in periods if span[2] is not None] for deal, periods in found.items()}


def kind(known: Known, pipeline: int | None, status: int | None) -> str | None:
    if status is None:
        return None
    unsorted = {(row["pipeline_id"], row["status_id"]) for row in known.all("statuses") if row["status_type"] == 1}
    return {WON: "won", LOST: "lost"}.get(status, "unsorted" if (pipeline, status) in unsorted else "open")


@memoized
def names(known: Known) -> dict[tuple[int | None, int | None], tuple[str | None, str | None]]:
    """Returns the names of pipeline and stage, by their ids."""
    return {(r["pipeline_id"], r["status_id"]): (r["pipeline_name"], r["status_name"]) for r in known.all("statuses")}


@memoized
def first_responses(known: Known) -> dict[int, datetime]:
    """Returns when a person first called or wrote, by deal. Without one of these tables nobody knows."""
    if not (known.was_read("calls") and known.was_read("messages")):
        return {}
    starts, mains = began(known), known.by("deals", "lead_id", "main_contact")
    out: dict[tuple[str, int], list[datetime]] = {}
    for row in (*known.all("calls"), *known.all("messages")):
        is_call = "call_responsible" in row
        by_person = caller(known, row)[1] not in (None, "robot") if is_call else author(row) == "person"
        if row["direction"] == "out" and row["element_id"] and by_person:
            out.setdefault((KINDS[row["element_type"]], row["element_id"]), []).append(
                at(row["created_at"]) or known.now
            )
    found = {}
    for deal, start in starts.items():
        answers = [*out.get(("deal", deal), []), *out.get(("contact", mains[deal] or 0), [])]
        later = [moment for moment in answers if start and moment >= start]
        if later:
            found[deal] = min(later)
    return found


def caller(known: Known, call: Row) -> tuple[int | None, str | None]:
    """Returns the id and the name of the user who talked, as far as the call has them."""
    responsible = call["call_responsible"]
    if responsible is None:
        return call["responsible_user_id"], known.user(call["responsible_user_id"])
    if responsible.isdecimal() and 6 <= len(responsible) <= 9:
        return int(responsible), known.user(int(responsible))
    return None, responsible


@memoized
def closers(known: Known) -> dict[int, tuple[int | None, str]]:
    """Returns the responsible user of each closed deal, at its closing ("closing") or else the present one ("now")."""
    found: dict[int, tuple[int | None, str]] = {}
    history = owners(known) if known.has_history("deal_responsible_changes") else {}
    for deal in known.all("deals"):
        if deal["status_id"] in (WON, LOST):
            found[deal["lead_id"]] = (deal["responsible_user_id"], "now")
            users, stays = history.get(deal["lead_id"], []), stages(known)[deal["lead_id"]]
            closed = at(deal["closed_at"]) or (stays[-1][0] if stays else None)
            if users and closed:
                began_before = [user for start, _, user in users if start is not None and start <= closed]
                closer = (began_before or [users[0][2]])[-1]
                if closer is not None:
                    found[deal["lead_id"]] = (closer, "closing")
    return found


@memoized
def deals(known: Known) -> list[Row]:
    starts, ends, responses, named, stays = (
        began(known),
        gone_at(known),
        first_responses(known),
        names(known),
        stages(known),
    )
    contacts, companies = known.by("contacts", "contact_id"), known.by("companies", "company_id")
    reasons, teams = known.by("loss_reasons", "loss_reason_id"), known.by("groups", "group_id")
    team_of, closed_by = known.by("users", "user_id", "group_id"), closers(known)
    tags = grouped(known.all("deal_tags"), lambda row: (row["lead_id"],))
    fields = grouped(known.all("custom_fields_deals"), lambda row: (row["lead_id"],))
    rows = []
    for deal in known.all("deals"):
        deal_id = deal["lead_id"]
        start, closed = starts[deal_id], at(deal["closed_at"])
        gone = ends.get(deal_id, {"deleted_at": None, "created_by": None})
        tracked = {
            (value["field_code"] or "").lower(): value["value"]
            for value in fields.get((deal_id,), [])
            if value["value_index"] == 0
        }
        pipeline, status = named.get((deal["pipeline_id"], deal["status_id"]), (None, None))
        rows.append({
            "deal_id": deal_id,
            "name": deal["name"],
            "pipeline_id": deal["pipeline_id"],
            "pipeline_name": pipeline,
            "status_id": deal["status_id"],
            "status_name": status,
            "stage_kind": kind(known, deal["pipeline_id"], deal["status_id"]),
            "in_stage_since_local": (since := known.local(stays[deal_id][-1][0]) if stays[deal_id] else None),
            "ended_at_local": (known.local(closed) or since) if deal["status_id"] in (142, 143) else None,
            "budget": deal["sale"],
            "currency": known.currency,
            "responsible_user_id": deal["responsible_user_id"],
            "responsible_name": known.user(deal["responsible_user_id"]),
            "team_name": teams.get(team_of.get(deal["responsible_user_id"])),
            "closer_id": closed_by.get(deal_id, (None, None))[0],
            "closer_name": known.user(closed_by.get(deal_id, (None, None))[0]),
            "closer_as_of": closed_by.get(deal_id, (None, None))[1],
            "main_contact_id": deal["main_contact"],
            "main_contact_name": contacts.get(deal["main_contact"]),
            "main_contact_phones": reach(known, "contact", "PHONE").get(deal["main_contact"]),
            "company_id": deal["company"],
            "company_name": companies.get(deal["company"]),
            "source_id": deal["source_id"],
            "source_name": deal["source_name"],
            **{code: tracked.get(code) for code in CODES},
            "tags": joined(sorted(tag["name"] for tag in tags.get((deal_id,), []))),
            "loss_reason_id": deal["loss_reason_id"],
            "loss_reason": reasons.get(deal["loss_reason_id"], deal["loss_reason_name"]),
            "created_at": start,
            "created_at_local": known.local(start),
            "created_month": month(known.local(start)),
            "closed_at": closed,
            "closed_at_local": known.local(closed),
            "closed_month": month(known.local(closed)),
            "seconds_to_close": unless_negative(seconds(start, closed)),
            "first_response_at": responses.get(deal_id),
            "seconds_to_first_response": seconds(start, responses.get(deal_id)),
            "working_seconds_to_first_response": working(known.local(start), known.local(responses.get(deal_id))),
            "is_repeat": is_repeat(known, deal, start),
            **forgotten(known, deal, start, deal["status_id"] not in (WON, LOST) and deal_id not in ends),
            "updated_at": at(deal["updated_at"]),
            "is_deleted": deal_id in ends,
            "deleted_at": at(gone["deleted_at"]),
            "deleted_by": gone["created_by"],
        })  # fmt: skip
    return rows


def deal_tags(known: Known) -> list[Row]:
    return [{"deal_id": row["lead_id"], "tag_id": row["tag_id"], "tag": row["name"]} for row in known.all("deal_tags")]


def accounts(known: Known) -> list[Row]:
    account, today = next(iter(known.all("account")), None), known.local(known.now)
    return [
        {
            "account_id": account and account["account_id"],
            "name": known.account_name,
            "domain": account and f"{account['subdomain']}.amocrm.ru",
            "currency": known.currency,
            "time_zone": known.zone.key,
            "today": today and today.date(),
        }
    ]


@memoized
def wins(known: Known) -> dict[tuple[str, int], dict[int, datetime | None]]:
    """Returns when the deals of each main contact and company were won, by deal. Deals that are there now alone."""
    found: dict[tuple[str, int], dict[int, datetime | None]] = {}
    for deal in known.all("deals"):
        if deal["status_id"] == WON and deal["lead_id"] not in gone_at(known):
            stays = stages(known)[deal["lead_id"]]
            for client in ("main_contact", "company"):
                if deal[client] is not None:
                    closed = at(deal["closed_at"]) or (stays[-1][0] if stays else None)
                    found.setdefault((client, deal[client]), {})[deal["lead_id"]] = closed
    return found


def is_repeat(known: Known, deal: Row, start: datetime | None) -> bool | None:
    """Whether the deal's contact or company had won another deal before this one began."""
    clients = [(name, deal[name]) for name in ("main_contact", "company") if deal[name] is not None]
    if not clients:
        return None
    starts = began(known)
    others = [
        max(closed, own_start)
        for client in clients
        for other, closed in wins(known).get(client, {}).items()
        if other != deal["lead_id"] and closed and (own_start := starts[other])
    ]
    return any(start is not None and moment < start for moment in others)


def reach(known: Known, entity: str, code: str) -> dict[Any, str | None]:
    """Returns the phones or e-mail addresses of contacts or companies, by id."""
    table, id_column = {
        "contact": ("custom_fields_contacts", "contact_id"),
        "company": ("custom_fields_companies", "company_id"),
    }[entity]
    values = [row for row in known.all(table) if row["field_code"] == code and row["value"] is not None]
    groups = grouped(values, lambda row: (row[id_column],))
    return {i: joined(v["value"] for v in sorted(g, key=lambda v: v["value_index"])) for (i,), g in groups.items()}


@memoized
def deal_stage_history(known: Known) -> list[Row]:
    named, ends = names(known), gone_at(known)
    moves = {(row["lead_id"], row["note_id"]): row for row in known.all("deal_statuses")}
    by_deal = grouped(moves.values(), lambda row: (row["lead_id"],))
    authors = known.by("deals", "lead_id", "created_by")
    rows = []
    for deal, periods in stages(known).items():
        moves_in_order = [None, *sorted(by_deal.get((deal,), []), key=lambda row: (row["created_at"], row["note_id"]))]
        first = len(moves_in_order) - len(periods)
        for number, (start, end, (pipeline, status)) in enumerate(periods, first):
            before = periods[number - first - 1][2] if number > first else (None, None)
            move = moves_in_order[number]
            by = move["created_by"] if move else authors[deal] if known.has_history("deal_statuses") else None
            rows.append({
                "deal_id": deal,
                "position": number,
                "pipeline_id": pipeline,
                "pipeline_name": named.get((pipeline, status), (None, None))[0],
                "status_id": status,
                "status_name": named.get((pipeline, status), (None, None))[1],
                "stage_kind": kind(known, pipeline, status),
                "pipeline_id_before": before[0],
                "status_id_before": before[1],
                "status_name_before": named.get(before, (None, None))[1],
                "from_at": start,
                "from_at_local": known.local(start),
                "to_at": end,
                "to_at_local": known.local(end),
                "seconds": seconds(start, end),
                "is_last": number == len(moves_in_order) - 1,
                "event_id": move["note_id"] if move else None,
                "moved_by": by,
                "moved_by_name": known.user(by),
                "is_deleted": deal in ends,
            })  # fmt: skip
    return rows


@memoized
def owners(known: Known) -> dict[int, list[Span]]:
    return spans(known, "deal_responsible_changes", lambda row: row["responsible_user_id_old"],
                 lambda row: row["responsible_user_id_new"], lambda deal: deal["responsible_user_id"])  # fmt: skip


@memoized
def budgets(known: Known) -> dict[int, list[Span]]:
    return spans(known, "deal_sale_changes", lambda row: row["sale_old"], lambda row: row["sale_new"],
                 lambda deal: deal["sale"])  # fmt: skip


def true_at(periods: list[Span], moment: datetime) -> Any:
    """Returns the value of the last period that begins at `moment` or before."""
    return next((value for start, _, value in reversed(periods) if start is not None and start <= moment), None)


@memoized
def deal_history(known: Known) -> list[Row]:
    named, ends = names(known), gone_at(known)
    by_stage, by_owner, by_budget = stages(known), owners(known), budgets(known)
    rows = []
    for deal in by_owner:
        facts = (by_stage[deal], by_owner[deal], by_budget[deal])
        moments = sorted({start for periods in facts for start, _, _ in periods if start is not None})
        end = at(ends[deal]["deleted_at"]) if deal in ends else None
        for start, stop in zip(moments, [*moments, end][1:], strict=True):
            stage, owner, budget = (true_at(periods, start) for periods in facts)
            pipeline, status = stage or (None, None)
            rows.append({
                "deal_id": deal,
                "from_at": start,
                "from_at_local": known.local(start),
                "to_at": stop,
                "to_at_local": known.local(stop),
                "pipeline_id": pipeline,
                "status_id": status,
                "pipeline_name": named.get((pipeline, status), (None, None))[0],
                "status_name": named.get((pipeline, status), (None, None))[1],
                "stage_kind": kind(known, pipeline, status),
                "responsible_user_id": owner,
                "responsible_name": known.user(owner),
                "budget": budget,
                "currency": known.currency,
            })  # fmt: skip
    return rows
