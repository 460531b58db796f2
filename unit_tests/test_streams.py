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
from testing.offline import CONFIG, stream

HERE = Path(__file__).parent
ENGINE = [HERE.parent / "source_amocrm" / package for package in ("engine", "walk")]
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


def test_what_makes_rows_sees_values_alone() -> None:
    """No page, request or setting reaches the functions of a table's module that work values out of a record."""
    outside = ("walk", "http", "auth", "config", "account.account")
    seen = []
    for file in (HERE.parent / "source_amocrm" / "streams").glob("*.py"):
        module = ast.parse(file.read_text(encoding="utf-8"))
        names = {
            one.asname or one.name
            for line in module.body
            if isinstance(line, ast.ImportFrom) and line.module and line.module.startswith("source_amocrm.")
            for one in line.names
            if line.module.removeprefix("source_amocrm.").startswith(outside)
        }
        for made in module.body:
            if isinstance(made, ast.FunctionDef) and any("Json" in ast.unparse(one) for one in made.args.args):
                used = {name.id for name in ast.walk(made) if isinstance(name, ast.Name)}
                seen.append(f"{file.stem}.{made.name}")
                assert not used & names, seen[-1]
    assert len(seen) > 20


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
