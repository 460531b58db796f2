"""Loads an account's tables into a database through dlt. `sync` is what other programs call."""

from amocrm_warehouse.sync.outcome import Outcome
from amocrm_warehouse.sync.syncing import sync

__all__ = ["Outcome", "sync"]
