"""One account as the API shows it: its facts, its lists, and which of them are off."""

from source_amocrm.account.account import Account, Memoized
from source_amocrm.account.by_ids import by_ids
from source_amocrm.account.resources import Resource

__all__ = ["Account", "Memoized", "Resource", "by_ids"]
