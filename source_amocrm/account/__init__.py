"""What the API says of one account: its facts, its lists, which of them are off, and fields that no table knows."""

from source_amocrm.account.account import Account, Memoized
from source_amocrm.account.by_ids import by_ids
from source_amocrm.account.resources import Resource
from source_amocrm.account.schema_drift import SchemaDrift

__all__ = ["Account", "Memoized", "Resource", "SchemaDrift", "by_ids"]
