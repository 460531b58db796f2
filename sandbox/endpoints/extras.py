"""Catalogs, lists of customers, unsorted requests, talks, bots and files."""

from __future__ import annotations

from ..context import Context, page, paged, rows_by_id, short_list
from ..filters import BY_ID, contains
from ..http import Refusal, Response, feature_off, forbidden, not_found, nothing, ok, unauthorized, unpaid
from ..query import child, number, scalar, values
from ..select import OneOf, Order
from ..store import Row
from .cards import require_customers
from .dictionaries import require_on


def catalogs(context: Context) -> Response:
    if not context.switches.catalogs:
        return nothing()
    renderer = context.renderer(long_links=False)
    rows = rows_by_id(context, context.account.catalogs, "type", "type")
    return short_list(
        context, "catalogs", rows, lambda r: {**r, "_links": renderer.href(f"catalogs/{r['id']}")}, totals="none"
    )


def catalog(context: Context, catalog_id: str) -> Response:
    row = next((c for c in context.account.catalogs if c["id"] == int(catalog_id)), None)
    if row is None or not context.switches.catalogs:
        raise Refusal(not_found("GET", context.request.path))
    return ok({**row, "_links": context.renderer(long_links=False).href(f"catalogs/{catalog_id}")})


def elements(context: Context, catalog_id: str) -> Response:
    table = context.account.elements.get(int(catalog_id))
    if table is None or not context.switches.catalogs:
        raise Refusal(not_found("GET", context.request.path))
    wanted = context.conditions(BY_ID)
    words = scalar(context.query.get("query"))
    if words:
        wanted.append(contains(words))
    renderer = context.renderer(long_links=False)

    def render(row: Row) -> Row:
        out = {**row, "custom_fields_values": renderer.fields(row["custom_fields_values"])}
        if "invoice_link" in context.withs:
            out["invoice_link"] = None
        return {**out, "_links": renderer.href(f"catalogs/{catalog_id}/elements/{row['id']}")}

    return paged(context, "elements", table, wanted, Order("id"), render)


def transactions(context: Context, customer_id: str | None = None) -> Response:
    require_customers(context, "customers")
    renderer = context.renderer(long_links=False)
    wanted = context.conditions(BY_ID)
    if customer_id is not None:
        wanted.append(OneOf("customer_id", frozenset({int(customer_id)})))

    def render(row: Row) -> Row:
        owner = renderer.refs("customers", [row["customer_id"]])[0]
        path = f"customers/{row['customer_id']}/transactions/{row['id']}"
        embedded = {"customer": owner, "catalog_elements": row["catalog_elements"]}
        columns = {name: value for name, value in row.items() if name != "catalog_elements"}
        return {**columns, **renderer.amount("price", row), "_links": renderer.href(path), "_embedded": embedded}

    return paged(context, "transactions", context.account.tables["transactions"], wanted, Order("id"), render)


def customer_statuses(context: Context) -> Response:
    if context.switches.customers != "periodicity":
        raise Refusal(feature_off("Periodicity is disabled in the account"))
    renderer = context.renderer(long_links=False)
    rows = context.account.customer_statuses
    return short_list(
        context, "statuses", rows, lambda r: {**r, "_links": renderer.href(f"customers/statuses/{r['id']}")},
        is_paged=False,
    )  # fmt: skip


def segments(context: Context) -> Response:
    if context.switches.customers != "segments":
        raise Refusal(feature_off("Segments are disabled in the account"))
    renderer, acc = context.renderer(long_links=False), context.account

    def render(row: Row) -> Row:
        count = sum(row["id"] in ids for ids in acc.segments_of.values())
        return {**row, "customers_count": count, "_links": renderer.href(f"customers/segments/{row['id']}")}

    return short_list(context, "segments", acc.segments, render)


def unsorted(context: Context) -> Response:
    require_on(context, "unsorted")
    filters = context.query.get("filter")
    uids, categories = values(child(filters, "uid")), values(child(filters, "category"))
    pipelines = values(child(filters, "pipeline_id"))
    rows = [
        row
        for row in context.account.unsorted.values()
        if (not uids or row["uid"] in uids)
        and (not categories or row["category"] in categories)
        and (not pipelines or str(row["pipeline_id"]) in pipelines)
    ]
    order = context.order(("created_at", "updated_at"), Order("created_at"))
    rows.sort(key=lambda row: (row["created_at"], row["uid"]), reverse=order.descending)
    limit = context.limit(context.switches.page_max)
    start = (context.page - 1) * limit
    shown = [_unsorted(context, row) for row in rows[start : start + limit]]
    return page(context, "unsorted", shown, limit, start + limit < len(rows))


def _unsorted(context: Context, row: Row) -> Row:
    renderer = context.renderer(long_links=False)
    out = {k: v for k, v in row.items() if k not in ("lead", "contact")}
    embedded = {
        "contacts": renderer.refs("contacts", [row["contact"]]),
        "leads": renderer.refs("leads", [row["lead"]]),
        "companies": [],
    }
    return {**out, "_links": renderer.href(f"leads/unsorted/{row['uid']}"), "_embedded": embedded}


def unsorted_card(context: Context, uid: str) -> Response:
    row = context.account.unsorted.get(uid)
    return ok(_unsorted(context, row)) if row else nothing()


def unsorted_summary(context: Context) -> Response:
    rows = context.account.unsorted.values()
    categories = {
        name: {"total": sum(row["category"] == name for row in rows)} for name in ("sip", "mail", "forms", "chats")
    }
    summary = {"total": len(rows), "accepted": 0, "declined": 0, "average_sort_time": 0}
    return ok({**summary, "categories": categories})


def _talk(context: Context, row: Row) -> Row:
    renderer = context.renderer(long_links=False)
    embedded = {
        "contacts": renderer.refs("contacts", [row["contact_id"]] if row["contact_id"] else []),
        "leads": renderer.refs("leads", [row["entity_id"]] if row["entity_type"] == "lead" else []),
        "customers": renderer.refs("customers", [row["entity_id"]] if row["entity_type"] == "customer" else []),
    }
    unknown = {"2026": ("missed_at",), "2021": ("status", "source_id")}[context.switches.talks_shape]
    known = {name: value for name, value in row.items() if name not in unknown}
    return {**known, "_links": renderer.href(f"talks/{row['talk_id']}"), "_embedded": embedded}


def talks(context: Context) -> Response:
    """With `talks_shown`, the newest talks are one page, whatever page and limit the request names."""
    switches = context.switches
    if not switches.talks:
        raise Refusal(not_found("GET", context.request.path))
    filters, known = context.query.get("filter"), context.account.talks
    shown = known
    if switches.talks_shown is not None:
        shown = sorted(known, key=lambda row: row["talk_id"], reverse=True)[: switches.talks_shown]
    if filters is not None and switches.talks_filter != "ignored":
        shown = [row for row in (known if switches.talks_filter == "honoured" else shown) if _matches(context, row)]
    if switches.talks_shown is None:
        return short_list(context, "talks", shown, lambda row: _talk(context, row), totals="none")
    rows = [_talk(context, row) for row in shown] if context.page == 1 else []
    return page(context, "talks", rows, context.limit(switches.page_max), more=False)


def bots(context: Context) -> Response:
    if not context.switches.bots:
        raise Refusal(not_found("GET", context.request.path))
    return short_list(context, "items", context.account.bots, dict, totals="none")


def _matches(context: Context, row: Row) -> bool:
    """Whether the request's filter matches the talk. Closed talks match, too, without `only_in_work`."""
    filters = context.query.get("filter")
    named = ("talk_id", "contact_id", "entity_id", "entity_type")
    wanted = {name: values(child(filters, name)) for name in named}
    in_work = scalar(child(filters, "only_in_work")) in ("1", "true")
    return (row["is_in_work"] or not in_work) and all(
        not found or str(row[name]) in found for name, found in wanted.items()
    )


def talk(context: Context, talk_id: str) -> Response:
    row = next((t for t in context.account.talks if t["talk_id"] == int(talk_id)), None)
    if row is None:
        raise Refusal(not_found("GET", context.request.path))
    return ok(_talk(context, row))


def messages(context: Context, talk_id: str) -> Response:
    """Lists a talk's messages, not in order of time."""
    served = context.switches.chat_texts
    if served == "no scope":
        raise Refusal(forbidden("Invalid scope"))
    if served == "not paid":
        raise Refusal(unpaid())
    if served == "absent" or int(talk_id) not in {row["talk_id"] for row in context.account.talks}:
        raise Refusal(not_found("GET", context.request.path))
    window = child(context.query.get("filter"), "created_at")
    low, high = (number(scalar(child(window, side))) for side in ("from", "to"))
    rows = sorted(
        (
            message
            for message in context.account.chat_messages.values()
            if message["talk_id"] == int(talk_id)
            and (low is None or message["created_at"] >= low)
            and (high is None or message["created_at"] <= high)
        ),
        key=lambda message: str(message["id"]),
    )
    shown = [{name: value for name, value in row.items() if name != "talk_id"} for row in rows]
    return short_list(context, "messages", shown, dict, totals="none")


def files(context: Context) -> Response:
    """Lists the files of the account's `drive_url`. `filter[deleted]` shows those in the trash, and only those."""
    if not context.switches.files_scope:
        raise Refusal(_no_scope(context))
    limit = context.limit(context.switches.page_max)
    start = (context.page - 1) * limit
    trashed = child(context.query.get("filter"), "deleted") is not None
    found = [row for row in context.account.files if row["is_trashed"] is trashed]
    rows = found[start : start + limit]
    if not rows and context.switches.end == "204":
        return nothing()
    links = context.page_links(limit, start + limit < len(found))
    return ok({"_count": len(rows), "_embedded": {"files": [_file(context, row) for row in rows]}, "_links": links})


def _no_scope(context: Context) -> Response:
    refused = {401: unauthorized(), 404: not_found("GET", context.request.path)}
    return refused.get(context.switches.files_refused) or forbidden("The token's scopes do not include files")


def _file(context: Context, row: Row) -> Row:
    download = {"href": f"{context.base}/download/{row['uuid']}/{row['sanitized_name']}.jpg"}
    self_link = {"href": f"{context.base}/v1.0/files/{row['uuid']}"}
    return {"_links": {"download": download, "download_version": download, "self": self_link}, **row}


def file(context: Context, uuid: str) -> Response:
    row = next((f for f in context.account.files if f["uuid"] == uuid), None)
    if row is None:
        raise Refusal(not_found("GET", context.request.path))
    return ok(_file(context, row))


def subscriptions(context: Context, kind: str, row_id: str) -> Response:
    require_customers(context, kind)
    row = context.account.tables[kind].get(int(row_id))
    if row is None:
        raise Refusal(not_found("GET", context.request.path))
    rows = [{"subscriber_id": row["responsible_user_id"], "type": "user"}]
    return short_list(context, "subscriptions", rows, dict)
