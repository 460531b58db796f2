"""Customers, and what belongs to them. An account may have them switched off."""

from __future__ import annotations

from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from source_amocrm.streams.field_values import FieldValueStream
from source_amocrm.streams.per_entity import SEGMENTS
from source_amocrm.streams.rows import customers
from source_amocrm.streams.rows.field_values import customer_fields
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


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

    def row(self, record: Row, context: Context) -> Row:
        return customers.customer(record)


class CustomFieldsCustomers(FieldValueStream):
    name = "custom_fields_customers"
    primary_key = ["customer_id", "custom_field_id", "value_index"]
    relations = {"customer_id": to.CUSTOMER, "custom_field_id": to.custom_field("customers")}
    cursor_field = "customer_updated_at"
    resources = (CUSTOMERS,)
    make = customer_fields


class CustomerStatuses(FullRefreshStream):
    name = "customer_statuses"
    primary_key = ["customer_status_id"]
    relations = {"account_id": to.ACCOUNT}
    list_path = f"{CUSTOMERS.path}/statuses"
    collection = "statuses"

    def row(self, record: Row, context: Context) -> Row:
        return customers.customer_status(record)


class CustomerSegments(FullRefreshStream):
    name = "customer_segments"
    primary_key = ["segment_id"]
    relations = {"account_id": to.ACCOUNT, "available_products_price_types": to.PRICE}
    list_path = SEGMENTS
    collection = "segments"

    def row(self, record: Row, context: Context) -> Row:
        return customers.customer_segment(record)


class CustomerTransactions(FullRefreshStream):
    name = "customer_transactions"
    primary_key = ["transaction_id"]
    relations = {"customer_id": to.CUSTOMER, **to.AUTHORS, "account_id": to.ACCOUNT}
    list_path = f"{CUSTOMERS.path}/transactions"
    collection = "transactions"

    def row(self, record: Row, context: Context) -> Row:
        return customers.customer_transaction(record)


STREAMS = (Customers, CustomFieldsCustomers, CustomerStatuses, CustomerSegments, CustomerTransactions)
