"""Expected contacts and companies."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.account import Account

from .common import Row, elements, first, shown_fields, stamp, tags

COMMUNICATION = ("communication_id", "communication_ids")


def contacts(account: Account) -> list[Row]:
    rows = []
    for contact in account.tables["contacts"]:
        fields = shown_fields(account, contact)
        company = first(account.linked("contacts", contact["id"], "companies"))
        known = account.tables["companies"].get(company)
        rows.append(
            {
                "contact_id": contact["id"],
                "first_name": contact["first_name"],
                "last_name": contact["last_name"],
                "name": contact["name"],
                "responsible_user_id": contact["responsible_user_id"],
                "created_by": contact["created_by"],
                "updated_by": contact["updated_by"],
                "account_id": contact["account_id"],
                "group_id": contact["group_id"],
                "company": company,
                "company_name": known["name"] if known else None,
                "leads": account.linked("contacts", contact["id"], "leads"),
                "customers": account.linked("contacts", contact["id"], "customers"),
                "date": stamp(contact["updated_at"]),
                "created_at": stamp(contact["created_at"]),
                "updated_at": stamp(contact["updated_at"]),
                "closest_task_at": stamp(contact["closest_task_at"]),
                "tags": tags(account, "contacts", contact["id"]),
                "custom_fields": fields,
                "phones": _texts(fields, lambda field: field["field_code"] == "PHONE"),
                "emails": _texts(fields, lambda field: field["field_code"] == "EMAIL"),
                "communication_ids": _texts(fields, _is_communication),
                "is_deleted": False,
                "is_unsorted": contact["is_unsorted"] if account.switches.contacts_is_unsorted else None,
                "catalog_elements": elements(account, "contacts", contact["id"]),
            }
        )
    return rows


def _is_communication(field: Row) -> bool:
    names = ((field["field_code"] or "").casefold(), (field["field_name"] or "").casefold())
    return any(name in COMMUNICATION for name in names)


def _texts(fields: list[Row], wanted: Callable[[Row], bool]) -> list[str]:
    return [value["value"] for field in fields if wanted(field) for value in field["values"]]


def companies(account: Account) -> list[Row]:
    return [
        {
            "company_id": company["id"],
            "name": company["name"],
            "responsible_user_id": company["responsible_user_id"],
            "created_by": company["created_by"],
            "updated_by": company["updated_by"],
            "account_id": company["account_id"],
            "group_id": company["group_id"],
            "contacts": account.linked("companies", company["id"], "contacts"),
            "leads": account.linked("companies", company["id"], "leads"),
            "customers": account.linked("companies", company["id"], "customers"),
            "date": stamp(company["updated_at"]),
            "created_at": stamp(company["created_at"]),
            "updated_at": stamp(company["updated_at"]),
            "closest_task_at": stamp(company["closest_task_at"]),
            "tags": tags(account, "companies", company["id"]),
            "custom_fields": shown_fields(account, company),
            "is_deleted": False,
            "catalog_elements": elements(account, "companies", company["id"]),
        }
        for company in account.tables["companies"]
    ]
