"""Rows of the dictionaries: statuses, users, groups, types, fields."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import (
    Json,
    Row,
    UnreadableError,
    as_boolean,
    as_integer,
    as_list,
    child,
    given,
)

_STATUSES = Coercion("statuses")
_USERS = Coercion("users")
_GROUPS = Coercion("groups")
_TASK_TYPES = Coercion("task_types")
_FIELDS = Coercion("custom_fields")

_NOTE_TYPE_ID: dict[str, int | None] = {
    "common": 4,
    "attachment": 5,
    "call_in": 10,
    "call_out": 11,
    "sms_in": 102,
    "sms_out": 103,
    "service_message": 25,
    "extended_service_message": 34,
    "message_cashier": 28,
    "geolocation": 24,
    "amomail_message": 15,
    "site_visit": 16,
    "link_followed": 32,
    "transaction": 23,
    "targeting_in": None,
    "targeting_out": None,
    "invoice_paid": None,
    "bill_paid": 36,
    "zoom_meeting": 35,
    "dropbox_attachment": 101,
    "ai_result": None,
    "chat": None,
    "lead_auto_created": 20,
}

NOTE_TYPES: list[Row] = [{"note_type_id": number, "code": code} for code, number in _NOTE_TYPE_ID.items()]
"""amoCRM's API v4 has codes and no list of them; the numbers are those of its API v2, where known."""

ELEMENT_TYPES: list[Row] = [
    {"element_type_id": 1, "code": "contacts", "name": "Контакт"},
    {"element_type_id": 2, "code": "leads", "name": "Сделка"},
    {"element_type_id": 3, "code": "companies", "name": "Компания"},
    {"element_type_id": 4, "code": "tasks", "name": "Задача"},
    {"element_type_id": 12, "code": "customers", "name": "Покупатель"},
]


def statuses(pipeline: Json) -> list[Row]:
    """The rows of a pipeline's statuses. Raises RowError when the pipeline or a status has no id."""
    to, pipeline = _STATUSES, _STATUSES.source(pipeline)
    pipeline_id = to.integer_key(pipeline, "id", "pipeline_id")
    pipeline_name = to.text(pipeline.get("name"), "pipeline_name")
    pipeline_sort = to.integer(pipeline.get("sort"), "pipeline_sort")
    is_main = to.boolean(pipeline.get("is_main"), "pipeline_is_main")
    is_archive = to.boolean(pipeline.get("is_archive"), "pipeline_is_archive")
    elements = as_list(child(pipeline.get("_embedded"), "statuses"))
    return [
        {
            "status_id": to.integer_key(status, "id", "status_id"),
            "status_name": to.text(status.get("name"), "status_name"),
            "status_sort": to.integer(status.get("sort"), "status_sort"),
            "pipeline_id": pipeline_id,
            "pipeline_name": pipeline_name,
            "pipeline_sort": pipeline_sort,
            "pipeline_is_main": is_main,
            "status_type": to.integer(status.get("type"), "status_type"),
            "status_color": to.text(status.get("color"), "status_color"),
            "status_is_editable": to.boolean(status.get("is_editable"), "status_is_editable"),
            "pipeline_is_archive": is_archive,
        }
        for status in map(to.source, elements)
    ]


def user(user: Json) -> Row:
    """The row of a user. Raises RowError when the user has no id."""
    to, user = _USERS, _USERS.source(user)
    get, related = user.get, user.get("_embedded")
    rights = to.object(get("rights"), "rights")
    group_id = given(child(child(related, "groups"), "id"), child(rights, "group_id"))
    role_id = given(child(child(related, "roles"), "id"), child(rights, "role_id"))
    email = to.text(get("email"), "email")
    return {
        "user_id": to.integer_key(user, "id", "user_id"),
        "name": to.text(get("name"), "name"),
        "last_name": None,
        "login": email,
        "group_id": to.integer(given(group_id, 0), "group_id"),
        "is_active": to.boolean(child(rights, "is_active"), "is_active"),
        "is_free": to.boolean(child(rights, "is_free"), "is_free"),
        "is_cancelled": False,
        "email": email,
        "lang": to.text(get("lang"), "lang"),
        "role_id": to.integer(role_id, "role_id"),
        "is_admin": to.boolean(child(rights, "is_admin"), "is_admin"),
        "rights": rights,
        "phone_number": to.text(get("phone_number"), "phone_number"),
        "uuid": to.text(get("uuid"), "uuid"),
        "amojo_id": to.text(get("amojo_id"), "amojo_id"),
        "user_rank": to.text(get("user_rank"), "user_rank"),
    }


def group(group: Json) -> Row:
    """The row of a group of users. Raises RowError when it has no id."""
    to, group = _GROUPS, _GROUPS.source(group)
    return {"group_id": to.integer_key(group, "id", "group_id"), "name": to.text(group.get("name"), "name")}


def task_type(task_type: Json) -> Row:
    """The row of a task type. Raises RowError when it has no id."""
    to, task_type = _TASK_TYPES, _TASK_TYPES.source(task_type)
    return {
        "task_type_id": to.integer_key(task_type, "id", "task_type_id"),
        "name": to.text(task_type.get("name"), "name"),
        "code": to.text(task_type.get("code"), "code"),
        "color": to.text(task_type.get("color"), "color"),
        "icon_id": to.integer(task_type.get("icon_id"), "icon_id"),
    }


def catalog_id(catalog: Json) -> int:
    """The id of a catalog from their list. Raises RowError when it has none."""
    return _FIELDS.integer_key(_FIELDS.source(catalog), "id", "catalog_id")


def custom_field(field: Json, entity_type: str, catalog_id: int | None = None) -> Row:
    """The row of a field from the list of `entity_type`, of which catalogs have one each.

    The options of a field of the type category are a tree, which amoCRM keeps in `nested`, with `enums` null.
    Raises RowError when the field has no id.
    """
    to, field = _FIELDS, _FIELDS.source(field)
    get = field.get
    return {
        "custom_field_id": to.integer_key(field, "id", "custom_field_id"),
        "name": to.text(get("name"), "name"),
        "type": to.text(get("type"), "type"),
        "code": to.text(get("code"), "code"),
        "entity_type": entity_type,
        "enums": to.array(given(get("nested") or get("enums"), []), "enums"),
        "catalog_id": to.integer(given(catalog_id, get("catalog_id")), "catalog_id"),
        "sort": to.integer(get("sort"), "sort"),
        "group_id": to.text(get("group_id"), "group_id"),
        "is_predefined": to.boolean(get("is_predefined"), "is_predefined"),
        "is_deletable": to.boolean(get("is_deletable"), "is_deletable"),
        "is_api_only": to.boolean(get("is_api_only"), "is_api_only"),
        "is_computed": to.boolean(get("is_computed"), "is_computed"),
        "required_statuses": to.array(get("required_statuses"), "required_statuses"),
        "is_required": to.boolean(get("is_required"), "is_required"),
        "is_visible": to.boolean(get("is_visible"), "is_visible"),
        "currency": to.text(get("currency"), "currency"),
        "settings": to.array(get("settings"), "settings"),
        "chained_lists": to.array(get("chained_lists"), "chained_lists"),
        "hidden_statuses": to.array(get("hidden_statuses"), "hidden_statuses"),
        "remind": to.text(get("remind"), "remind"),
        "tracking_callback": to.text(get("tracking_callback"), "tracking_callback"),
        "search_in": to.text(get("search_in"), "search_in"),
    }


def system_fields(fields: Iterable[Json]) -> dict[int, bool | None]:
    """Whether a field is amoCRM's own, by its id; None where the dictionary does not tell."""
    return {field_id: _is_system(field) for field in fields if (field_id := _integer(child(field, "id"))) is not None}


def _is_system(field: Json) -> bool | None:
    predefined = _boolean(child(field, "is_predefined"))
    if predefined is not None:
        return predefined
    deletable = _boolean(child(field, "is_deletable"))
    return None if deletable is None else not deletable


def _integer(value: Json) -> int | None:
    try:
        return None if value is None else as_integer(value)
    except UnreadableError:
        return None


def _boolean(value: Json) -> bool | None:
    try:
        return None if value is None else as_boolean(value)
    except UnreadableError:
        return None
