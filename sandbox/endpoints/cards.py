"""Leads, contacts, companies and customers: lists, trash, single cards, links."""

from __future__ import annotations

from collections.abc import Sequence

from ..account_data import ENTITIES
from ..context import Context, paged
from ..filters import COMPANIES, CONTACTS, CUSTOMERS, LEADS, Filters, contains
from ..http import Refusal, Response, bad_request, feature_off, nothing, ok, unpaid
from ..query import child, scalar, values
from ..select import Condition, Order, Test
from ..store import HASH, Row, Table, row_table

FILTERS: dict[str, Filters] = {"leads": LEADS, "contacts": CONTACTS, "companies": COMPANIES, "customers": CUSTOMERS}
ORDERS = {
    "leads": ("created_at", "updated_at", "id"),
    "contacts": ("updated_at", "id"),
    "companies": ("updated_at", "id"),
    "customers": ("created_at", "updated_at", "id"),
}
LINK_ORDER = ("catalog_elements", "leads", "contacts", "companies", "customers")


def require_customers(context: Context, kind: str) -> None:
    if kind == "customers" and context.switches.customers == "off":
        raise Refusal(feature_off("Customers are disabled in the account"))


def default_order(context: Context) -> Order:
    wanted = context.switches.default_order
    by = {"unordered": HASH, "updated": "updated_at"}.get(wanted, "id")
    return Order(by, wanted == "desc")


def card_order(context: Context, kind: str) -> Order:
    honoured: Sequence[str] = ORDERS[kind]
    if kind == "customers" and not context.switches.customers_order_honoured:
        honoured = ()
    return context.order(honoured, default_order(context))


def wanted_cards(context: Context, kind: str) -> list[Condition]:
    """Makes the conditions of `filter` and `query`. Filters are a paid option: without it, ignored or refused."""
    if not context.switches.filter_enabled and context.switches.filter_off == "402" and "filter" in context.query:
        raise Refusal(unpaid())
    wanted = context.conditions(FILTERS[kind]) if context.switches.filter_enabled else []
    words = scalar(context.query.get("query"))
    return [*wanted, contains(words)] if words else wanted


def cards(context: Context, kind: str) -> Response:
    require_customers(context, kind)
    if context.switches.if_modified_since == "honoured" and "if-modified-since" in context.request.headers:
        raise Refusal(Response(304))
    if "only_deleted" in context.withs and kind in context.switches.only_deleted_entities:
        return trash(context, kind)
    renderer = context.renderer()
    table = context.account.tables[kind]
    wanted, order = wanted_cards(context, kind), card_order(context, kind)
    by_date = order.field == "updated_at" or "updated_at" in (context.query.get("filter") or ())
    if by_date and (hidden := context.switches.hidden_by_date):
        wanted = [*wanted, Test(f"hidden {sorted(hidden)}", lambda row: row["id"] not in hidden)]
    return paged(context, kind, table, wanted, order, lambda row: renderer.card(kind, row))


def trash(context: Context, kind: str) -> Response:
    """Lists the cards in the trash, as skeletons."""
    switches, renderer = context.switches, context.renderer()
    table: Table[Row] = row_table()
    table.load(
        (gone.id, renderer.skeleton(gone.row, gone.at, gone.by)) for gone in context.account.trash[kind].values()
    )
    wanted = wanted_cards(context, kind) if switches.only_deleted_honours_filter else []
    order = card_order(context, kind) if switches.only_deleted_honours_order else default_order(context)
    return paged(context, kind, table, wanted, order, dict)


def card(context: Context, kind: str, row_id: str) -> Response:
    require_customers(context, kind)
    row = context.account.tables[kind].get(int(row_id)) or context.account.hidden[kind].get(int(row_id))
    return ok(context.renderer(long_links=False).card(kind, row)) if row else nothing()


def links_of(context: Context, kind: str, row_id: str) -> Response:
    require_customers(context, kind)
    if not _has_links(context, kind, int(row_id)):
        return nothing()
    return _links(context, _wanted_links(context, card_links(context, kind, int(row_id))))


def mass_links(context: Context, kind: str) -> Response:
    require_customers(context, kind)
    ids = values(child(context.query.get("filter"), "entity_id"))
    if not ids:
        raise Refusal(bad_request("filter.entity_id", "This field is missing.", "FieldMissing"))
    most = context.switches.links_most
    if most is not None and len(ids) > most:
        detail = f"This collection should contain {most} elements or less."
        raise Refusal(bad_request("filter.entity_id", detail))
    rows = [
        {"entity_id": i, "entity_type": kind, **link}
        for i in dict.fromkeys(int(text) for text in ids if text.isdigit())
        if _has_links(context, kind, i)
        for link in card_links(context, kind, i)
    ]
    return _links(context, _wanted_links(context, rows))


def _has_links(context: Context, kind: str, row_id: int) -> bool:
    account = context.account
    return row_id in account.tables[kind] or (context.switches.trash_in_links and row_id in account.trash[kind])


def _links(context: Context, rows: list[Row]) -> Response:
    document = {"_total_items": len(rows), "_links": {"self": context.url(context.request.query)}}
    return ok({**document, "_embedded": {"links": rows}})


def card_links(context: Context, kind: str, row_id: int) -> list[Row]:
    account = context.account
    main = account.main_contact(kind, row_id)
    rows: list[Row] = [
        {"to_entity_id": e["id"], "to_entity_type": "catalog_elements", "metadata": e["metadata"]}
        for e in account.links.elements.get((kind, row_id), ())
    ]
    for to in LINK_ORDER[1:]:
        for to_id in account.linked(kind, row_id, to):
            has_main = to == "contacts" and kind in ("leads", "customers")
            metadata = {"main_contact": to_id == main} if has_main else None
            rows.append({"to_entity_id": to_id, "to_entity_type": to, "metadata": metadata})
    return rows


def _wanted_links(context: Context, rows: list[Row]) -> list[Row]:
    filters = context.query.get("filter")
    to_id, to_type = values(child(filters, "to_entity_id")), values(child(filters, "to_entity_type"))
    catalog = values(child(filters, "to_catalog_id"))
    return [
        row
        for row in rows
        if (not to_id or str(row["to_entity_id"]) in to_id)
        and (not to_type or row["to_entity_type"] in to_type)
        and (not catalog or str((row["metadata"] or {}).get("catalog_id")) in catalog)
    ]


def files_of(context: Context, kind: str, row_id: str) -> Response:
    require_customers(context, kind)
    files = [f for f in context.account.files if kind == "leads" and f["size"] % 7 == int(row_id) % 7][:3]
    if not files:
        return nothing()
    rows = [{"file_uuid": f["uuid"], "id": 2_128_681 + n} for n, f in enumerate(files)]
    return ok({"_links": {"self": context.url("limit=50")}, "_embedded": {"files": rows}})


KINDS = "|".join(ENTITIES)
