"""The account's dictionaries: short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import AccountStream, FixedStream, FullRefreshStream
from source_amocrm.streams.per_entity import Parts, PerEntityStream, cards, catalogs, customers, segments
from source_amocrm.streams.rows import dictionaries
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row

PIPELINES = "/api/v4/leads/pipelines"


class Statuses(FullRefreshStream):
    name = "statuses"
    primary_key = ["pipeline_id", "status_id"]
    relations = {"pipeline_id": to.PIPELINE}
    list_path = PIPELINES
    in_every_account = True
    collection = "pipelines"

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return dictionaries.statuses(record)


class Users(FullRefreshStream):
    name = "users"
    primary_key = ["user_id"]
    relations = {"group_id": to.GROUP, "role_id": to.ROLE}
    list_path = "/api/v4/users"
    in_every_account = True
    collection = "users"
    extras = {
        "group_id": ("group",),
        "role_id": ("role",),
        **{name: (name,) for name in ("phone_number", "uuid", "amojo_id", "user_rank")},
    }

    def row(self, record: Row, context: Context) -> Row:
        return dictionaries.user(record)


class Groups(AccountStream):
    name = "groups"
    primary_key = ["group_id"]
    collection = "users_groups"
    account_extras = ("users_groups",)

    def row(self, record: Row, context: Context) -> Row:
        return dictionaries.group(record)


class NoteTypes(FixedStream):
    name = "note_types"
    primary_key = ["code"]
    fixed = dictionaries.NOTE_TYPES


class TaskTypes(AccountStream):
    name = "task_types"
    primary_key = ["task_type_id"]
    collection = "task_types"
    account_extras = ("task_types",)

    def row(self, record: Row, context: Context) -> Row:
        return dictionaries.task_type(record)


class ElementTypes(FixedStream):
    name = "element_types"
    primary_key = ["element_type_id"]
    fixed = dictionaries.ELEMENT_TYPES


class CustomFields(PerEntityStream):
    name = "custom_fields"
    primary_key = ["entity_type", "custom_field_id"]
    relations = {"catalog_id": to.CATALOG, "group_id": to.FIELD_GROUP}
    parts = (Parts((cards, customers, segments, catalogs), "/custom_fields", "custom_fields"),)

    def row(self, record: Row, context: Context) -> Row:
        return dictionaries.custom_field(record, context.entity_type, context.catalog_id)


STREAMS = (Statuses, Users, Groups, NoteTypes, TaskTypes, ElementTypes, CustomFields)
