"""Expected statuses, users, groups, types and fields."""

from __future__ import annotations

import re

from sandbox.account import Account

from .common import Row

# the codes of notes in API v4, each with its id in API v2 if that is known
NOTE_TYPES: dict[str, int | None] = {
    "common": 4, "attachment": 5, "call_in": 10, "call_out": 11, "sms_in": 102, "sms_out": 103,
    "service_message": 25, "extended_service_message": 34, "message_cashier": 28, "geolocation": 24,
    "amomail_message": 15, "site_visit": 16, "link_followed": 32, "transaction": 23, "targeting_in": None,
    "targeting_out": None, "invoice_paid": None, "bill_paid": 36, "zoom_meeting": 35, "dropbox_attachment": 101,
    "ai_result": None, "chat": None, "lead_auto_created": 20,
}  # fmt: skip
ELEMENTS = (
    (1, "contacts", "Контакт"),
    (2, "leads", "Сделка"),
    (3, "companies", "Компания"),
    (4, "tasks", "Задача"),
    (12, "customers", "Покупатель"),
)


def statuses(account: Account) -> list[Row]:
    return [
        {
            "status_id": status["id"],
            "status_name": status["name"],
            "status_sort": status["sort"],
            "pipeline_id": pipeline["id"],
            "pipeline_name": pipeline["name"],
            "pipeline_sort": pipeline["sort"],
            "pipeline_is_main": pipeline["is_main"],
            "status_type": status["type"],
            "status_color": status["color"],
            "status_is_editable": status["is_editable"],
            "pipeline_is_archive": pipeline["is_archive"],
            "status_hints": status["descriptions"],
        }
        for pipeline in account.pipelines
        for status in pipeline["statuses"]
    ]


def users(account: Account) -> list[Row]:
    """Returns nothing if the token may not list users."""
    switches = account.switches
    if not switches.admin or switches.external:
        return []
    return [
        {
            "user_id": user["id"],
            "name": user["name"],
            "last_name": None,
            "login": user["email"],
            "group_id": user["rights"]["group_id"] or 0,
            "is_active": user["rights"]["is_active"],
            "is_free": user["rights"]["is_free"],
            "is_cancelled": False,
            "email": user["email"],
            "lang": user["lang"],
            "role_id": user["rights"]["role_id"],
            "is_admin": user["rights"]["is_admin"],
            "rights": {**user["rights"], "group_id": None} if switches.user_group == "embedded" else user["rights"],
            "phone_number": user["phone_number"],
            "uuid": user["uuid"],
            "amojo_id": user["amojo_id"],
            "user_rank": user["user_rank"],
        }
        for user in account.users.values()
    ]


def groups(account: Account) -> list[Row]:
    return [{"group_id": group["id"], "name": group["name"]} for group in account.groups]


def note_types(_account: Account) -> list[Row]:
    return [{"note_type_id": v2_id, "code": code} for code, v2_id in NOTE_TYPES.items()]


def task_types(account: Account) -> list[Row]:
    return [
        {
            "task_type_id": task_type["id"],
            "name": task_type["name"],
            "code": task_type["code"],
            "color": task_type["color"],
            "icon_id": task_type["icon_id"],
        }
        for task_type in account.task_types
    ]


def element_types(_account: Account) -> list[Row]:
    return [{"element_type_id": number, "code": code, "name": name} for number, code, name in ELEMENTS]


def custom_fields(account: Account) -> list[Row]:
    """Returns the fields of every list that the account has."""
    rows = []
    for kind, fields in account.fields.items():
        if _is_open(account, kind):
            rows += [_field(account, kind, field) for field in fields]
    return rows


LATIN = dict(zip("абвгдеёзийклмнопрстуфыэ", "abvgdeeziyklmnoprstufye", strict=True))
LATIN |= {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": "", "ю": "yu", "я": "ya"}
LATIN |= {"ö": "o", "ß": "ss", "³": "3", "№": "no"}


def column_name(field_id: int, name: str) -> str:
    """Returns the column of a custom field, whose name has only letters that the generated accounts have."""
    latin = "".join(LATIN.get(letter, letter) for letter in name.lower())
    alias = re.sub(r"[^a-z0-9]+", "_", latin).strip("_")
    return f"cf_{field_id}_{alias[:40]}".rstrip("_")


def _is_open(account: Account, kind: str) -> bool:
    customers = account.switches.customers
    if kind.startswith("catalogs/"):
        return account.switches.catalogs
    if kind == "customers/segments":
        return customers == "segments"
    return kind != "customers" or customers != "off"


def _field(account: Account, kind: str, field: Row) -> Row:
    full = account.switches.fields_shape == "full"
    entity_type = {"customers/segments": "segments"}.get(kind, kind.partition("/")[0])
    return {
        "custom_field_id": field["id"],
        "name": field["name"],
        "type": field["type"],
        "code": field["code"] if full else None,
        "entity_type": entity_type,
        "enums": field.get("nested") or field["enums"] or [],
        "catalog_id": int(kind.partition("/")[2]) if entity_type == "catalogs" else None,
        "sort": field["sort"],
        "group_id": field["group_id"],
        "is_predefined": field.get("is_predefined"),
        "is_deletable": field.get("is_deletable") if full else None,
        "is_api_only": field["is_api_only"],
        "is_computed": field.get("is_computed") if full else None,
        "required_statuses": field["required_statuses"],
        "is_required": field.get("is_required"),
        "is_visible": field.get("is_visible"),
        "currency": field.get("currency"),
        "settings": field["settings"],
        "chained_lists": field.get("chained_lists"),
        "hidden_statuses": field.get("hidden_statuses") if full else None,
        "remind": field["remind"],
        "tracking_callback": field.get("tracking_callback"),
        "search_in": field.get("search_in"),
        "column_name": column_name(field["id"], field["name"]),
    }
