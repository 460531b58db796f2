"""Expected links and tags of cards, each with the card's date."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.account import Account

from .common import Row, stamp, tags


def deal_contacts(account: Account) -> list[Row]:
    return [
        {"lead_id": lead["id"], "contact_id": linked, "is_main": linked == account.main_contact("leads", lead["id"])}
        | {"lead_updated_at": stamp(lead["updated_at"])}
        for lead in account.tables["leads"]
        for linked in account.linked("leads", lead["id"], "contacts")
    ]


def deal_companies(account: Account) -> list[Row]:
    return [
        {"lead_id": lead["id"], "company_id": linked, "lead_updated_at": stamp(lead["updated_at"])}
        for lead in account.tables["leads"]
        for linked in account.linked("leads", lead["id"], "companies")
    ]


def deal_tags(account: Account) -> list[Row]:
    return [
        {"lead_id": lead["id"], "tag_id": tag["id"], "name": tag["name"], "color": tag["color"]}
        | {"lead_updated_at": stamp(lead["updated_at"])}
        for lead in account.tables["leads"]
        for tag in tags(account, "leads", lead["id"])
    ]


def deal_catalog_elements(account: Account) -> list[Row]:
    return [
        {
            "lead_id": lead["id"],
            "catalog_element_id": element["id"],
            "catalog_id": element["metadata"]["catalog_id"],
            "quantity": element["metadata"]["quantity"],
            "price_id": element["metadata"]["price_id"],
            "lead_updated_at": stamp(lead["updated_at"]),
        }
        for lead in account.tables["leads"]
        for element in account.links.elements.get(("leads", lead["id"]), ())
    ]


def contact_companies(account: Account) -> list[Row]:
    return [
        {"contact_id": contact["id"], "company_id": linked, "contact_updated_at": stamp(contact["updated_at"])}
        for contact in account.tables["contacts"]
        for linked in account.linked("contacts", contact["id"], "companies")
    ]


def contact_tags(account: Account) -> list[Row]:
    return [
        {"contact_id": contact["id"], "tag_id": tag["id"], "name": tag["name"]}
        | {"contact_updated_at": stamp(contact["updated_at"])}
        for contact in account.tables["contacts"]
        for tag in tags(account, "contacts", contact["id"])
    ]


def company_tags(account: Account) -> list[Row]:
    return [
        {"company_id": company["id"], "tag_id": tag["id"], "name": tag["name"]}
        | {"company_updated_at": stamp(company["updated_at"])}
        for company in account.tables["companies"]
        for tag in tags(account, "companies", company["id"])
    ]


def customer_contacts(account: Account) -> list[Row]:
    return [
        {
            "customer_id": one["id"],
            "contact_id": linked,
            "is_main": linked == account.main_contact("customers", one["id"]),
        }
        | {"customer_updated_at": stamp(one["updated_at"])}
        for one in _customers(account)
        for linked in account.linked("customers", one["id"], "contacts")
    ]


def customer_tags(account: Account) -> list[Row]:
    return [
        {"customer_id": one["id"], "tag_id": tag["id"], "name": tag["name"]}
        | {"customer_updated_at": stamp(one["updated_at"])}
        for one in _customers(account)
        for tag in tags(account, "customers", one["id"])
    ]


def _customers(account: Account) -> list[Row]:
    return [] if account.switches.customers == "off" else list(account.tables["customers"])


KEYS_OF: dict[Callable[[Account], list[Row]], tuple[str, ...]] = {
    deal_contacts: ("lead_id", "contact_id"),
    deal_companies: ("lead_id", "company_id"),
    deal_tags: ("lead_id", "tag_id"),
    deal_catalog_elements: ("lead_id", "catalog_element_id"),
    contact_companies: ("contact_id", "company_id"),
    contact_tags: ("contact_id", "tag_id"),
    company_tags: ("company_id", "tag_id"),
    customer_contacts: ("customer_id", "contact_id"),
    customer_tags: ("customer_id", "tag_id"),
}
