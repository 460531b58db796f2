"""Loads an account's tables into DuckDB or PostgreSQL. `sync` is what other programs call, in any thread.

It installs no signal handler, prints nothing, and leaves the environment as it is.
"""

from amocrm_warehouse.sync.account_sync import Outcome, sync

__all__ = ["Outcome", "sync"]
