"""The account itself, users, pipelines, fields and the other short lists."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ..account_data import ENTITIES
from ..context import Context, rows_by_id, short_list
from ..filters import TAGS, conditions
from ..http import Refusal, Response, feature_off, forbidden, not_found, nothing, ok
from ..query import child, values
from ..select import OneOf
from ..store import Row
from .cards import require_customers

SYMBOLS = {"RUB": "₽", "USD": "$"}
CUSTOMERS_MODE = {"segments": "segments", "periodicity": "periodicity", "off": "disabled"}


def require_admin(context: Context, *, externals: bool = False) -> None:
    """Raises a 403 for a user without administrator's rights, and for external integrations unless `externals`."""
    if not context.switches.admin or (context.switches.external and not externals):
        raise Refusal(forbidden("Access denied"))


def account(context: Context) -> Response:
    acc, switches = context.account, context.switches
    flag = switches.filter_enabled if switches.filter_flag == "honest" else switches.filter_flag
    flags: Row = {
        "amojo_id": "f3c6340d-410e-4ad1-9f7e-c5e663599909",
        "version": 16,
        "uuid": "824f3a59-6154-4edf-ba90-0b5593715d07",
        "drive_url": context.drive if switches.drive_url == "own" else switches.drive_url,
        "is_api_filter_enabled": flag,
        "invoices_settings": {"lang": "ru", "currency": "RUB"},
        "entity_names": {"leads": {"ru": {"gender": "f", "singular_form": {"default": "сделка"}}}},
    }
    row = {
        "id": acc.id,
        "name": acc.name,
        "subdomain": acc.subdomain,
        "current_user_id": next(iter(acc.users), 0),
        "country": "US" if switches.kommo else "RU",
        **({"currency": switches.currency, "currency_symbol": SYMBOLS[switches.currency]} if switches.currency else {}),
        **({"customers_mode": CUSTOMERS_MODE[switches.customers]} if switches.customers_mode_told else {}),
        "is_unsorted_on": "unsorted" not in switches.off,
        "is_loss_reason_enabled": "loss_reasons" not in switches.off,
        "is_helpbot_enabled": False,
        "is_technical_account": False,
        "contact_name_display_order": 1,
        **{name: flags[name] for name in flags if name in context.withs and flags[name] != "absent"},
        "_links": context.renderer(long_links=False).href("account"),
    }
    offset = datetime.fromtimestamp(acc.clock.now(), ZoneInfo(acc.timezone)).isoformat()[-6:]
    embedded: Row = {
        "amojo_rights": {"can_direct": True, "can_create_groups": True},
        "users_groups": acc.groups,
        "task_types": acc.task_types,
        "datetime_settings": {
            "date_pattern": "d.m.Y H:i",
            "short_date_pattern": "d.m.Y",
            "short_time_pattern": "H:i",
            "date_formant": "d.m.Y",
            "time_format": "H:i:s",
            "timezone": acc.timezone,
            "timezone_offset": offset,
        },
    }
    shown = {name: value for name, value in embedded.items() if name in context.withs}
    return ok({**row, "_embedded": shown} if shown else row)


def users(context: Context) -> Response:
    require_admin(context)
    return short_list(context, "users", list(context.account.users.values()), context.renderer(long_links=False).user)


def user(context: Context, row_id: str) -> Response:
    require_admin(context)
    row = context.account.users.get(int(row_id))
    return ok(context.renderer(long_links=False).user(row)) if row else nothing()


def roles(context: Context) -> Response:
    require_admin(context)
    renderer, acc = context.renderer(long_links=False), context.account

    def render(row: Row) -> Row:
        out = {**row, "_links": renderer.href(f"roles/{row['id']}")}
        if "users" in context.withs:
            members = [u["id"] for u in acc.users.values() if u["rights"]["role_id"] == row["id"]]
            out["_embedded"] = {"users": renderer.refs("users", members)}
        return out

    return short_list(context, "roles", acc.roles, render)


def pipelines(context: Context) -> Response:
    renderer = context.renderer(long_links=False)
    return short_list(context, "pipelines", context.account.pipelines, renderer.pipeline, is_paged=False)


def pipeline(context: Context, row_id: str) -> Response:
    row = next((p for p in context.account.pipelines if p["id"] == int(row_id)), None)
    return ok(context.renderer(long_links=False).pipeline(row)) if row else nothing()


def statuses(context: Context, pipeline_id: str) -> Response:
    row = next((p for p in context.account.pipelines if p["id"] == int(pipeline_id)), None)
    if row is None:
        return nothing()
    renderer = context.renderer(long_links=False)
    return short_list(
        context, "statuses", row["statuses"], lambda s: renderer.status(row["id"], s), is_paged=False, links=False
    )


def require_on(context: Context, part: str) -> None:
    """Raises the answer of `off_answer` if the account's settings switch the list off."""
    if part in context.switches.off:
        answers = {"204": nothing(), "404": not_found("GET", context.request.path), "422": feature_off("Disabled")}
        raise Refusal(answers[context.switches.off_answer])


def loss_reasons(context: Context) -> Response:
    require_on(context, "loss_reasons")
    if not context.switches.loss_reasons_list:
        raise Refusal(not_found("GET", context.request.path))
    return short_list(context, "loss_reasons", context.account.loss_reasons, context.renderer().loss_reason)


def loss_reason(context: Context, row_id: str) -> Response:
    row = context.account.loss_reason(int(row_id))
    return ok(context.renderer(long_links=False).loss_reason(row)) if row else nothing()


def _field_list(context: Context, kind: str) -> list[Row]:
    """Returns the list's fields. Raises a 422 or 404 if the account does not have the list."""
    require_customers(context, kind.partition("/")[0])
    if kind == "customers/segments" and context.switches.customers != "segments":
        raise Refusal(feature_off("Segments are disabled in the account"))
    fields = context.account.fields.get(kind)
    if fields is None or (kind.startswith("catalogs/") and not context.switches.catalogs):
        raise Refusal(not_found("GET", context.request.path))
    return fields


def custom_fields(context: Context, kind: str) -> Response:
    rows = _field_list(context, kind)
    types = values(child(context.query.get("filter"), "type"))
    if types:
        rows = [row for row in rows if row["type"] in types]
    order = context.query.get("order")
    for name, direction in order.items() if isinstance(order, dict) else ():
        if name in ("sort", "id"):
            rows = sorted(rows, key=lambda row: row[name], reverse=direction == "desc")
            break
    renderer = context.renderer(long_links=False)
    totals = context.switches.fields_total
    return short_list(context, "custom_fields", rows, lambda row: renderer.custom_field(kind, row), totals=totals)


def custom_field(context: Context, kind: str, row_id: str) -> Response:
    row = next((f for f in _field_list(context, kind) if f["id"] == int(row_id)), None)
    if row is None:
        raise Refusal(not_found("GET", context.request.path))
    return ok(context.renderer(long_links=False).custom_field(kind, row))


def field_groups(context: Context, kind: str) -> Response:
    _field_list(context, kind)
    rows = context.account.field_groups.get(kind)
    if rows is None or kind == "customers/segments":
        raise Refusal(not_found("GET", context.request.path))
    renderer = context.renderer(long_links=False)

    def render(row: Row) -> Row:
        return {**row, "_links": renderer.href(f"{kind}/custom_fields/groups/{row['id']}")}

    return short_list(context, "custom_field_groups", rows, render, is_paged=False, links=False)


def tags(context: Context, kind: str) -> Response:
    require_customers(context, kind)
    rows = context.account.tag_list[kind]
    for condition in conditions(TAGS, context.query.get("filter"), context.switches):
        if isinstance(condition, OneOf):
            rows = [row for row in rows if row[condition.field] in condition.values]
    return short_list(context, "tags", rows, dict, totals="none")


def sources(context: Context) -> Response:
    require_admin(context)
    rows = rows_by_id(context, context.account.sources, "external_id", "external_id")
    renderer = context.renderer(long_links=False)

    def render(row: Row) -> Row:
        return {**row, "_links": renderer.href(f"sources/{row['id']}")}

    return short_list(context, "sources", rows, render, is_paged=False)


def webhooks(context: Context) -> Response:
    require_admin(context, externals=True)
    rows = rows_by_id(context, context.account.webhooks, "destination", "destination")
    return short_list(context, "webhooks", rows, dict, is_paged=False, links=False)


def widgets(context: Context) -> Response:
    renderer = context.renderer(long_links=False)
    rows = context.account.widgets
    return short_list(
        context, "widgets", rows, lambda r: {**r, "_links": renderer.href(f"widgets/{r['code']}")}, totals="none"
    )


KINDS = "|".join((*ENTITIES, "customers/segments", r"catalogs/\d+"))
