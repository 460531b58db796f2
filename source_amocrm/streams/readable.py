"""Readable deals: the account's custom fields as columns of deals, contacts and companies, where that is wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import CLOSED
from source_amocrm.config.settings import Config
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.rows.readable import column, field_columns, known_columns
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row

LOGGER = logging.getLogger("airbyte")


class ReadableStream(IncrementalStream):
    """A stream with one row a record, and with columns for the record's custom fields."""

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._fields = known_columns(properties or {}) if account.config.readable_columns else {}
        self._configured = properties is not None

    @classmethod
    def extras_of_account(cls, config: Config, properties: Mapping[str, Any]) -> tuple[str, ...]:
        wide = config.readable_columns and known_columns(properties)
        return (*cls.account_extras, "datetime_settings") if wide else cls.account_extras

    def further_columns(self) -> Mapping[str, Any]:
        return {**self._field_columns(), **super().further_columns()}

    def _field_columns(self) -> Mapping[str, Any]:
        """Those that the connection is configured with; else those that the account's fields make."""
        if self._configured or not self.account.config.readable_columns:
            return {each.name: each.schema for each in self._fields.values()}
        try:
            fields = self.account.dictionary(f"{self.resources[0].path}/custom_fields", "custom_fields")
        except CLOSED as error:
            LOGGER.warning("The custom fields of %s are no columns of it: %s", self.name, error)
            return {}
        made = (column(field) for field in fields)
        return {each.name: each.schema for each in made if each}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        rows = super().rows(record, context)
        if not self._fields:
            return rows
        return [{**row, **field_columns(self._to, record, self._fields, context.timezone)} for row in rows]

    def tombstone_columns(self, context: Context) -> Row:
        return {**{each.name: None for each in self._fields.values()}, **super().tombstone_columns(context)}
