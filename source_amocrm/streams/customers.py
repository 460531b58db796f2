"""Customers, and what belongs to them. An account may have them switched off."""

from __future__ import annotations

from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from source_amocrm.streams.per_entity import SEGMENTS
from source_amocrm.streams.values import exact_amount, main_contact


class Customers(IncrementalStream):
    name = "customers"
    primary_key = ["customer_id"]
    relations = {
        "responsible_user_id": to.USER,
        "status_id": to.CUSTOMER_STATUS,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "main_contact": to.CONTACT,
        "contacts": to.CONTACT,
        "company": to.COMPANY,
        "segments": to.SEGMENT,
    }
    resources = (CUSTOMERS,)
    deletable = True
    extras = {
        "main_contact": ("contacts",),
        "contacts": ("contacts",),
        "company": ("companies",),
        "catalog_elements": ("catalog_elements",),
    }
    found = {"main_contact": main_contact, "next_price": exact_amount("next_price")}


class CustomerStatuses(FullRefreshStream):
    name = "customer_statuses"
    primary_key = ["customer_status_id"]
    relations = {"account_id": to.ACCOUNT}
    list_path = f"{CUSTOMERS.path}/statuses"
    collection = "statuses"


class CustomerSegments(FullRefreshStream):
    name = "customer_segments"
    primary_key = ["segment_id"]
    relations = {"account_id": to.ACCOUNT, "available_products_price_types": to.PRICE}
    list_path = SEGMENTS
    collection = "segments"


class CustomerTransactions(FullRefreshStream):
    name = "customer_transactions"
    primary_key = ["transaction_id"]
    relations = {"customer_id": to.CUSTOMER, **to.AUTHORS, "account_id": to.ACCOUNT}
    list_path = f"{CUSTOMERS.path}/transactions"
    collection = "transactions"
    found = {"price": exact_amount("price")}
