"""Users, their groups and roles."""

from __future__ import annotations

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import AccountStream, FullRefreshStream


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


class Groups(AccountStream):
    name = "groups"
    primary_key = ["group_id"]
    collection = "users_groups"
    account_extras = ("users_groups",)


class Roles(FullRefreshStream):
    name = "roles"
    primary_key = ["role_id"]
    relations = {"users": to.USER}
    list_path = "/api/v4/roles"
    collection = "roles"
    params = {"with": "users"}
