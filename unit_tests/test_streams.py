"""Streams as declarations: what `discover` shows of them, and how each is read."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from airbyte_cdk.models import AirbyteCatalog, AirbyteMessage, AirbyteMessageSerializer, Type
from airbyte_cdk.sources.streams.http.http import HttpStream

from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from unit_tests.offline import CONFIG, stream

HERE = Path(__file__).parent
ENGINE = [HERE.parent / "source_amocrm" / package for package in ("sync", "walk")]
OF_THE_API = {"events", "notes"}
"""Streams whose names are amoCRM's own for a list, too."""


def test_discover_shows_of_each_what_it_always_did() -> None:
    """The catalogs of connections name the keys, the cursors and the modes."""
    streams = [one.as_airbyte_stream() for one in SourceAmocrm().streams(CONFIG)]
    message = AirbyteMessage(type=Type.CATALOG, catalog=AirbyteCatalog(streams=streams))
    shown = {one.pop("name"): one for one in AirbyteMessageSerializer.dump(message)["catalog"]["streams"]}
    schemas = {name: one.pop("json_schema") for name, one in shown.items()}
    wanted = json.loads((HERE / "discovered.json").read_text(encoding="utf-8"))
    assert list(shown.items()) == list(wanted.items())
    assert schemas == {name: schema.load(name) for name in wanted}


@pytest.mark.parametrize("name", STREAMS)
def test_each_is_a_stream_of_the_cdk_that_reads_more_than_a_page(name: str) -> None:
    made = stream(name)
    assert isinstance(made, HttpStream)
    assert isinstance(made, FullRefreshStream) is not isinstance(made, IncrementalStream)
    assert type(made).read_records in (FullRefreshStream.read_records, IncrementalStream.read_records)
    assert made.cursor is None
    assert made.url_base == "https://example.amocrm.ru"


def test_the_engine_names_no_stream() -> None:
    """What a stream needs of another list it declares itself."""
    found = {
        (file.name, literal.value)
        for package in ENGINE
        for file in package.glob("*.py")
        for literal in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(literal, ast.Constant) and isinstance(literal.value, str) and literal.value in STREAMS
    }
    assert {name for _, name in found} <= OF_THE_API
    words = " ".join(file.read_text(encoding="utf-8") for package in ENGINE for file in package.glob("*.py"))
    assert [name for name in ("loss_reason", "company_name", "customer", "deal_status") if name in words] == []
