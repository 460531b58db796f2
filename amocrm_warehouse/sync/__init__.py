"""Loads an account's tables into a database through dlt. `sync` is what other programs call."""

import os

from amocrm_warehouse.sync.account_sync import Outcome, sync

__all__ = ["Outcome", "sync"]

# Arrow's own pool would keep the memory of the largest package. Arrow reads this once, at its first allocation.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
