"""Expected customers, and their statuses, segments and transactions."""

from __future__ import annotations

from sandbox.account import Account

from .common import Row, amount, elements, first, shown_fields, stamp, tags


def customers(account: Account) -> list[Row]:
    if account.switches.customers == "off":
        return []
    return [
        {
            "customer_id": customer["id"],
            "name": customer["name"],
            "responsible_user_id": customer["responsible_user_id"],
            "status_id": customer["status_id"],
            "created_by": customer["created_by"],
            "updated_by": customer["updated_by"],
            "account_id": customer["account_id"],
            "next_price": amount(account, customer["next_price"]),
            "next_date": stamp(customer["next_date"]),
            "periodicity": customer["periodicity"],
            "ltv": customer["ltv"],
            "purchases_count": customer["purchases_count"],
            "average_check": customer["average_check"],
            "main_contact": account.main_contact("customers", customer["id"]),
            "contacts": account.linked("customers", customer["id"], "contacts"),
            "company": first(account.linked("customers", customer["id"], "companies")),
            "segments": list(account.segments_of.get(customer["id"], ())),
            "created_at": stamp(customer["created_at"]),
            "updated_at": stamp(customer["updated_at"]),
            "closest_task_at": stamp(customer["closest_task_at"]),
            "tags": tags(account, "customers", customer["id"]),
            "custom_fields": shown_fields(account, customer),
            "catalog_elements": elements(account, "customers", customer["id"]),
            "is_deleted": False,
        }
        for customer in account.tables["customers"]
    ]


def customer_statuses(account: Account) -> list[Row]:
    if account.switches.customers != "periodicity":
        return []
    return [
        {
            "customer_status_id": status["id"],
            "name": status["name"],
            "sort": status["sort"],
            "is_default": status["is_default"],
            "conditions": status["conditions"],
            "color": status["color"],
            "type": status["type"],
            "account_id": status["account_id"],
        }
        for status in account.customer_statuses
    ]


def customer_segments(account: Account) -> list[Row]:
    if account.switches.customers != "segments":
        return []
    return [
        {
            "segment_id": segment["id"],
            "name": segment["name"],
            "color": segment["color"],
            "created_at": stamp(segment["created_at"]),
            "updated_at": stamp(segment["updated_at"]),
            "account_id": segment["account_id"],
            "available_products_price_types": segment["available_products_price_types"],
            "customers_count": sum(segment["id"] in ids for ids in account.segments_of.values()),
            "custom_fields": segment["custom_fields_values"],
        }
        for segment in account.segments
    ]


def customer_transactions(account: Account) -> list[Row]:
    if account.switches.customers == "off":
        return []
    return [
        {
            "transaction_id": bought["id"],
            "customer_id": bought["customer_id"],
            "price": amount(account, bought["price"]),
            "comment": bought["comment"],
            "completed_at": stamp(bought["completed_at"]),
            "created_by": bought["created_by"],
            "updated_by": bought["updated_by"],
            "created_at": stamp(bought["created_at"]),
            "updated_at": stamp(bought["updated_at"]),
            "is_deleted": bought["is_deleted"],
            "account_id": bought["account_id"],
            "catalog_elements": bought["catalog_elements"],
        }
        for bought in account.tables["transactions"]
    ]
