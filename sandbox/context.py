"""The argument of every endpoint: the account, the request, and helpers to answer a page of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .account import Account
from .filters import Filters, conditions
from .http import Raw, Refusal, Request, Response, gateway_error, nothing, ok
from .query import Query, child, number, scalar, values, with_page
from .render import Renderer
from .select import Condition, Order, Selector
from .store import Row, Table
from .switches import Switches


@dataclass
class Selectors:
    """One selector a table, which caches its selections."""

    _by_table: dict[int, Selector] = field(default_factory=dict)

    def of(self, table: Table[Any]) -> Selector:
        selector = self._by_table.get(id(table))
        if selector is None:
            selector = self._by_table[id(table)] = Selector(table)
        return selector


@dataclass
class Context:
    """`base`: the address that links start with. `serial`: the request's number. `drive`: the address of the files."""

    account: Account
    request: Request
    base: str
    selectors: Selectors
    serial: int
    drive: str

    @property
    def switches(self) -> Switches:
        return self.account.switches

    @cached_property
    def query(self) -> Query:
        return self.request.params()

    @cached_property
    def withs(self) -> frozenset[str]:
        return frozenset(part.strip() for part in values(self.query.get("with")))

    @cached_property
    def page(self) -> int:
        return max(1, int(number(scalar(self.query.get("page"))) or 1))

    def limit(self, maximum: int) -> int:
        """Returns the page's size. A `limit` that is missing, invalid or over the maximum becomes the default."""
        limit = number(scalar(self.query.get("limit")))
        if limit is None or not 1 <= limit <= maximum:
            return min(self.switches.page_default, maximum)
        return int(limit)

    def order(self, honoured: Sequence[str], default: Order) -> Order:
        """Returns the first honoured `order[field]`. Others are ignored."""
        orders = self.query.get("order")
        for name, direction in orders.items() if isinstance(orders, dict) else ():
            if name in honoured and direction in ("asc", "desc"):
                return Order(name, direction == "desc")
        return default

    def conditions(self, filters: Filters) -> list[Condition]:
        return conditions(filters, self.query.get("filter"), self.switches)

    def renderer(self, *, long_links: bool = True) -> Renderer:
        suffix = f"?{self.request.query}" if long_links and self.request.query and self.switches.long_self_links else ""
        return Renderer(self.account, self.base, self.withs, suffix)

    def url(self, query: str) -> Row:
        return {"href": f"{self.base}{self.request.path}{'?' if query else ''}{query}"}

    def page_links(self, limit: int, more: bool, last: int | None = None) -> Row:
        raw, page = self.request.query, self.page
        links = {"self": self.url(with_page(raw, page, limit))}
        if more and self.switches.next_link:
            links["next"] = self.url(with_page(raw, page + 1, limit))
        if page > 1:
            links["first"] = self.url(with_page(raw, 1, limit))
            links["prev"] = self.url(with_page(raw, page - 1, limit))
        if last is not None and last > 1:
            links["last"] = self.url(with_page(raw, last, limit))
        return links


def paged(
    context: Context,
    key: str,
    table: Table[Any],
    wanted: Sequence[Condition],
    order: Order,
    render: Callable[[Any], Row],
    maximum: int | None = None,
) -> Response:
    """Answers a page of a large list: no totals, the last page without `next`, 204 past the end."""
    switches = context.switches
    limit = context.limit(maximum or switches.page_max)
    if switches.deepest_page is not None and context.page > switches.deepest_page:
        raise Refusal(gateway_error(504))
    selection = context.selectors.of(table).select(wanted, order)
    ids = selection.ids((context.page - 1) * limit, limit, switches.ties, context.serial)
    more = context.page * limit < len(selection)
    raw = context.account.raw
    rows = [Raw(raw[key, i]) if (key, i) in raw else render(table.rows[i]) for i in ids]
    return page(context, key, rows, limit, more)


def page(context: Context, key: str, rows: Sequence[Row | Raw], limit: int, more: bool) -> Response:
    switches = context.switches
    if not rows and switches.end == "204":
        return nothing()
    if switches.next_on_full_last_page and len(rows) == limit:
        more = True
    document: Row = {"_page": context.page} if switches.page_number_present else {}
    document["_links"] = context.page_links(limit, more)
    document["_embedded"] = {key: rows}
    return ok(document)


def short_list(
    context: Context,
    key: str,
    rows: Sequence[Row],
    render: Callable[[Row], Row],
    *,
    totals: str = "all",
    is_paged: bool = True,
    links: bool = True,
    maximum: int | None = None,
) -> Response:
    """Answers a page of a short list. `totals`: "all", "page" (the page's rows, as custom fields have it) or "none"."""
    if not is_paged:
        shown = list(rows)
        document: Row = {"_total_items": len(shown)}
        if links:
            document["_links"] = {"self": context.url(context.request.query)}
    else:
        limit = context.limit(maximum or context.switches.page_max)
        start = (context.page - 1) * limit
        shown = list(rows[start : start + limit])
        if not shown and context.switches.end == "204":
            return nothing()
        pages = max(1, -(-len(rows) // limit))
        document = {"_total_items": len(shown) if totals == "page" else len(rows)} if totals != "none" else {}
        document["_page"] = context.page
        if totals != "none":
            document["_page_count"] = pages
        last = pages if totals == "page" else None
        document["_links"] = context.page_links(limit, start + limit < len(rows), last)
    document["_embedded"] = {key: [render(row) for row in shown]}
    return ok(document)


def rows_by_id(context: Context, rows: Sequence[Row], name: str = "id", field: str = "id") -> list[Row]:
    """Filters the rows of a short list by `filter[name]`."""
    node = child(context.query.get("filter"), name)
    wanted = set(values(node))
    return [row for row in rows if str(row[field]) in wanted] if node is not None else list(rows)
