"""One stream by itself, as whoever knows the CDK's `HttpStream` would read it."""

from __future__ import annotations

from typing import Any

import pytest
from airbyte_cdk.models import SyncMode

from source_amocrm.source import SourceAmocrm
from source_amocrm.streams.base import AmocrmStream

from . import comparison, expected
from .connector import config, without_sockets
from .sandbox import Account, Sandbox, Switches

TINY = Switches(page_max=3, page_default=3)


def streams(sandbox: Sandbox) -> dict[str, AmocrmStream]:
    return {one.name: one for one in SourceAmocrm().streams(config(sandbox)) if isinstance(one, AmocrmStream)}


@pytest.mark.parametrize("name", ["deals", "contacts", "deal_statuses", "messages", "pipelines", "tags", "note_types"])
def test_its_records_are_its_rows(name: str) -> None:
    account = Account.generate(seed=4, leads=60, switches=TINY)
    sandbox = Sandbox(account)
    with without_sockets(sandbox):
        rows: list[Any] = list(streams(sandbox)[name].read_records(SyncMode.full_refresh))
    wanted = [*expected.tables(account)[name], *expected.tombstones(account).get(name, ())]
    assert comparison.by_key(name, rows) == comparison.by_key(name, wanted)
