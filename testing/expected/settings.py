"""Expected pipelines, reasons, tags, roles, integrations, and the account itself."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sandbox.account import Account
from sandbox.account_data import ENTITIES

from .common import Row, stamp

UUIDS = {"amojo_id": "f3c6340d-410e-4ad1-9f7e-c5e663599909", "uuid": "824f3a59-6154-4edf-ba90-0b5593715d07"}


def pipelines(account: Account) -> list[Row]:
    names = ("name", "sort", "is_main", "is_unsorted_on", "is_archive", "account_id")
    return [
        {"pipeline_id": pipeline["id"], **{name: pipeline[name] for name in names}} for pipeline in account.pipelines
    ]


def loss_reasons(account: Account) -> list[Row]:
    if not account.switches.loss_reasons_list or "loss_reasons" in account.switches.off:
        return []
    return [
        {
            "loss_reason_id": reason["id"],
            "name": reason["name"],
            "sort": reason["sort"],
            "created_at": stamp(reason["created_at"]),
            "updated_at": stamp(reason["updated_at"]),
        }
        for reason in account.loss_reasons
    ]


def tags(account: Account) -> list[Row]:
    shown = [kind for kind in ENTITIES if kind != "customers" or account.switches.customers != "off"]
    return [
        {"entity_type": kind, "tag_id": tag["id"], "name": tag["name"], "color": tag["color"]}
        for kind in shown
        for tag in account.tag_list[kind]
    ]


def custom_field_groups(account: Account) -> list[Row]:
    rows = []
    for kind, groups in account.field_groups.items():
        entity_type, _, catalog_id = kind.partition("/")
        if entity_type == "customers" and account.switches.customers == "off":
            continue
        if entity_type == "catalogs" and not account.switches.catalogs:
            continue
        rows += [
            {
                "entity_type": entity_type,
                "catalog_id": int(catalog_id) if entity_type == "catalogs" else 0,
                "custom_field_group_id": group["id"],
                "name": group["name"],
                "is_predefined": group["is_predefined"],
                "type": group["type"],
                "sort": group["sort"],
            }
            for group in groups
        ]
    return rows


def roles(account: Account) -> list[Row]:
    if not account.switches.admin or account.switches.external:
        return []
    return [
        {
            "role_id": role["id"],
            "name": role["name"],
            "rights": role["rights"],
            "users": [user["id"] for user in account.users.values() if user["rights"]["role_id"] == role["id"]],
        }
        for role in account.roles
    ]


def sources(account: Account) -> list[Row]:
    if not account.switches.admin or account.switches.external:
        return []
    return [
        {
            "source_id": source["id"],
            "name": source["name"],
            "pipeline_id": source["pipeline_id"],
            "external_id": source["external_id"],
            "is_default": source["default"],
            "origin_code": source["origin_code"],
            "services": source["services"],
        }
        for source in account.sources
    ]


def webhooks(account: Account) -> list[Row]:
    if not account.switches.admin:
        return []
    return [
        {
            "webhook_id": hook["id"],
            "destination": hook["destination"],
            "created_at": stamp(hook["created_at"]),
            "updated_at": stamp(hook["updated_at"]),
            "account_id": hook["account_id"],
            "created_by": hook["created_by"],
            "sort": hook["sort"],
            "is_disabled": hook["disabled"],
            "settings": hook["settings"],
        }
        for hook in account.webhooks
    ]


def widgets(account: Account) -> list[Row]:
    return [
        {"widget_id": widget["id"], **{name: value for name, value in widget.items() if name != "id"}}
        for widget in account.widgets
    ]


def _customers_mode(account: Account) -> str | None:
    if not account.switches.customers_mode_told:
        return None
    return "disabled" if account.switches.customers == "off" else account.switches.customers


def _drive_url(account: Account) -> str | None:
    url = f"https://drive-b.{account.domain.partition('.')[2]}"
    return {"own": url, "absent": None}.get(account.switches.drive_url, account.switches.drive_url)


def account(account: Account) -> list[Row]:
    switches = account.switches
    offset = datetime.fromtimestamp(account.clock.now(), ZoneInfo(account.timezone)).isoformat()[-6:]
    flag = switches.filter_enabled if switches.filter_flag == "honest" else switches.filter_flag
    return [
        {
            "account_id": account.id,
            "name": account.name,
            "subdomain": account.subdomain,
            "current_user_id": next(iter(account.users)),
            "country": "US" if switches.kommo else "RU",
            "currency": switches.currency,
            "currency_symbol": {"RUB": "₽", "USD": "$", None: None}[switches.currency],
            "customers_mode": _customers_mode(account),
            "is_unsorted_on": "unsorted" not in switches.off,
            "is_loss_reason_enabled": "loss_reasons" not in switches.off,
            "is_helpbot_enabled": False,
            "is_technical_account": False,
            "is_api_filter_enabled": None if flag == "absent" else flag,
            "contact_name_display_order": 1,
            "amojo_id": UUIDS["amojo_id"],
            "uuid": UUIDS["uuid"],
            "version": 16,
            "drive_url": _drive_url(account),
            "amojo_rights": {"can_direct": True, "can_create_groups": True},
            "datetime_settings": {
                "date_pattern": "d.m.Y H:i",
                "short_date_pattern": "d.m.Y",
                "short_time_pattern": "H:i",
                "date_formant": "d.m.Y",
                "time_format": "H:i:s",
                "timezone": account.timezone,
                "timezone_offset": offset,
            },
            "invoices_settings": {"lang": "ru", "currency": "RUB"},
            "entity_names": {"leads": {"ru": {"gender": "f", "singular_form": {"default": "сделка"}}}},
        }
    ]
