"""Rows of customers and of what belongs to them."""

from __future__ import annotations

from source_amocrm.streams.rows.deals import main_contact
from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row, as_list, child, exact_amount, given

_CUSTOMERS = Record("customers", customer_id="id")
_SEGMENTS = Record("customer_segments", segment_id="id")
_TRANSACTIONS = Record("customer_transactions", transaction_id="id")

customer_status = Record("customer_statuses", customer_status_id="id")


def customer(customer: Json) -> Row:
    """The row of a customer. Raises RowError when it has no id, as all here."""
    related = child(customer, "_embedded")
    contacts = as_list(child(related, "contacts"))
    return _CUSTOMERS(
        customer,
        next_price=exact_amount(customer, "next_price"),
        main_contact=main_contact(contacts),
        contacts=contacts,
        company=child(child(related, "companies"), "id"),
        segments=child(related, "segments"),
        tags=child(related, "tags"),
        custom_fields=given(child(customer, "custom_fields_values"), []),
        catalog_elements=child(related, "catalog_elements"),
        is_deleted=given(child(customer, "is_deleted"), False),
    )


def customer_segment(segment: Json) -> Row:
    return _SEGMENTS(segment, custom_fields=given(child(segment, "custom_fields_values"), []))


def customer_transaction(transaction: Json) -> Row:
    elements = child(child(transaction, "_embedded"), "catalog_elements")
    return _TRANSACTIONS(
        transaction,
        price=exact_amount(transaction, "price"),
        catalog_elements=elements,
        is_deleted=given(child(transaction, "is_deleted"), False),
    )
