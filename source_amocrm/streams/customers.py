"""Customers, and what belongs to them. An account may have them switched off."""

from __future__ import annotations

from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from source_amocrm.streams.per_entity import SEGMENTS
from source_amocrm.streams.values import exact_amount, main_contact


class Customers(IncrementalStream):
    resources = (CUSTOMERS,)
    deletable = True
    found = {"main_contact": main_contact, "next_price": exact_amount("next_price")}


class CustomerStatuses(FullRefreshStream):
    list_path = f"{CUSTOMERS.path}/statuses"


class CustomerSegments(FullRefreshStream):
    list_path = SEGMENTS


class CustomerTransactions(FullRefreshStream):
    list_path = f"{CUSTOMERS.path}/transactions"
    found = {"price": exact_amount("price")}
