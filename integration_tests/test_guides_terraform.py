"""The Terraform guide parses, and uses of Airbyte's provider what that documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
from jsonschema import Draft7Validator

from source_amocrm.config import parse_config
from source_amocrm.streams import STREAMS
from testing.guides import METADATA, PUBLISHED, SPEC, block, blocks

pytestmark = pytest.mark.at_length

OPTIONS = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
OF_TERRAFORM = {"for_each"}
"""What every resource may have."""


def parsed(text: str) -> dict[str, Any]:
    """Expressions are texts between `${` and `}`."""
    document: dict[str, Any] = hcl2.loads(text, serialization_options=OPTIONS)
    return document


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    return parsed(block("kubernetes.md", "terraform {"))


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return parsed(block("kubernetes.md", "airbyte_client_id "))


def resources(code: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The attributes of each resource, by its kind: there is one of each."""
    return {kind: body for one in code["resource"] for kind, named in one.items() for body in named.values()}


def variables(code: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: body for one in code["variable"] for name, body in one.items()}


def objects(expression: str) -> list[dict[str, Any]]:
    """The objects in it that hold no other one."""
    return [parsed(f"it = {text}")["it"] for text in re.findall(r"\{[^{}]*\}", expression)]


def used(code: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each thing of the provider with its attributes, by the name it has among what is published."""
    [provider] = [body for one in code["provider"] for body in one.values()]
    yield "provider", provider
    for kind, attributes in resources(code).items():
        yield kind, {name: value for name, value in attributes.items() if name not in OF_TERRAFORM}
    connection = resources(code)["airbyte_connection"]
    yield "schedule", connection["schedule"]
    yield "configurations", connection["configurations"]
    for stream in objects(connection["configurations"]["streams"]):
        yield "stream", stream


def test_every_block_parses() -> None:
    texts = [one.text for one in blocks("hcl")]
    assert texts
    assert all(parsed(text) for text in texts)


def test_attributes_are_those_of_the_provider(code: dict[str, Any]) -> None:
    seen = set()
    for name, attributes in used(code):
        published = PUBLISHED["terraform"][name]
        required = set(published.get("required", []))
        assert required <= set(attributes), name
        assert set(attributes) <= required | set(published["optional"]), name
        for attribute, values in published.get("one_of", {}).items():
            assert attributes[attribute] in values
        seen.add(name)
    assert seen == set(PUBLISHED["terraform"]) - {"source"}


def test_what_is_taken_from_a_resource_is_what_it_tells(code: dict[str, Any]) -> None:
    taken = re.findall(r"\b(airbyte_\w+)\.(\w+)\[each\.key\]\.(\w+)", block("kubernetes.md", "terraform {"))
    assert taken
    for kind, name, attribute in taken:
        assert any(name in one.get(kind, {}) for one in code["resource"])
        assert attribute in PUBLISHED["terraform"][kind]["told"]


def test_values_are_given_for_what_is_declared(code: dict[str, Any], values: dict[str, Any]) -> None:
    declared = variables(code)
    assert set(declared) == set(re.findall(r"\bvar\.(\w+)", block("kubernetes.md", "terraform {"))) == set(values)
    [kinds] = objects(declared["accounts"]["type"])
    assert declared["accounts"]["type"].startswith("${map(object({")
    for account in values["accounts"].values():
        assert account.keys() == kinds.keys()
    assert {name for name, body in declared.items() if body.get("sensitive")} == {"airbyte_client_secret", "accounts"}


def test_the_configuration_is_one_that_the_connector_accepts(code: dict[str, Any], values: dict[str, Any]) -> None:
    told = resources(code)["airbyte_source"]["configuration"]
    settings = parsed(f"it = {told.removeprefix('${jsonencode(').removesuffix(')}')}")["it"]
    for account in values["accounts"].values():
        given = {**settings, "account_domain": account["domain"]}
        Draft7Validator(SPEC["connectionSpecification"]).validate(given)
        parse_config(given)
    assert re.findall(r"var\.accounts\[each\.key\]\.(\w+)", told) == ["domain", "token"]


def test_a_schedule_is_of_the_hour_s_minute_by_the_project(code: dict[str, Any], values: dict[str, Any]) -> None:
    cron = resources(code)["airbyte_connection"]["schedule"]["cron_expression"]
    assert cron == "0 ${parseint(each.key, 10) % 60} * * * ? UTC"
    assert all(project.isdigit() for project in values["accounts"])


def test_the_suggested_streams_are_selected_in_modes_they_have(code: dict[str, Any]) -> None:
    streams = resources(code)["airbyte_connection"]["configurations"]["streams"]
    lists = re.findall(r"for name in (\[.*?\]) : \{name = name, sync_mode = \"?(\w+)\"?\}", streams)
    chosen = {name: mode for names, mode in lists for name in parsed(f"it = {names}")["it"]}
    assert set(chosen) == set(METADATA["suggestedStreams"]["streams"])
    for name, mode in chosen.items():
        assert mode == ("incremental_deduped_history" if STREAMS[name].cursor_field else "full_refresh_overwrite")
