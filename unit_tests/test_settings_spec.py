from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import ConnectorSpecification, ConnectorSpecificationSerializer
from airbyte_cdk.sources.utils.schema_helpers import check_config_against_spec_or_exit
from airbyte_cdk.test.standard_tests._spec_lint import find_secret_marking_errors
from airbyte_cdk.utils.airbyte_secrets_utils import get_secrets
from jinja2 import Environment, StrictUndefined

import source_amocrm
from source_amocrm.config import parse_config
from source_amocrm.run import _run
from testing.http_tools import NOW, long_lived, oauth


@pytest.fixture(scope="module")
def spec() -> ConnectorSpecification:
    text = Path(source_amocrm.__file__).with_name("spec.yaml").read_text(encoding="utf-8")
    return ConnectorSpecificationSerializer.load(yaml.safe_load(text))


def test_the_command_prints_what_the_cdk_would(
    spec: ConnectorSpecification, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so without the CDK, whose import takes seconds."""
    monkeypatch.setitem(sys.modules, "airbyte_cdk", None)
    assert _run(["spec"]) == 0
    message = json.loads(capfd.readouterr().out)
    assert message["type"] == "SPEC"
    assert ConnectorSpecificationSerializer.load(message["spec"]) == spec


def test_it_is_a_schema_without_references(spec: ConnectorSpecification) -> None:
    schema = spec.connectionSpecification
    assert "$ref" not in str(schema)
    assert schema["additionalProperties"] is True
    assert schema["required"] == ["account_domain", "credentials"]


def test_every_secret_is_marked(spec: ConnectorSpecification) -> None:
    assert find_secret_marking_errors(spec.connectionSpecification) == []
    both = {**oauth(access_token="access-0000"), "personal_data_key": "key-of-personal-data"}
    assert sorted(get_secrets(spec.connectionSpecification, both)) == [
        "access-0000",
        "access-0000",
        "clientsecret-1111",
        "key-of-personal-data",
        "refresh-0000",
    ]


def test_every_field_has_its_words_and_its_place(spec: ConnectorSpecification) -> None:
    properties = spec.connectionSpecification["properties"]
    assert [name for name, _ in sorted(properties.items(), key=lambda item: item[1]["order"])] == [
        "account_domain",
        "credentials",
        "start_date",
        "deleted_rows",
        "lookback_window",
        "readable_columns",
        "raw_records",
        "chat_texts",
        "personal_data",
        "personal_data_key",
        "personal_fields",
        "requests_per_second",
        "num_workers",
        "api_base_url",
    ]
    groups = [group["id"] for group in spec.connectionSpecification["groups"]]
    assert groups == ["account", "contents", "privacy", "pace"]
    assert {given["group"] for given in properties.values()} == set(groups)
    assert properties["credentials"]["display_type"] == "radio"
    for given in properties.values():
        assert given["title"]
        assert given["description"].endswith(".")
    assert {name for name, given in properties.items() if given.get("airbyte_hidden")} == {
        "num_workers",
        "api_base_url",
    }


def test_ways_to_sign_in(spec: ConnectorSpecification) -> None:
    ways = spec.connectionSpecification["properties"]["credentials"]["oneOf"]
    assert [way["properties"]["auth_type"]["const"] for way in ways] == ["long_lived_token", "oauth2.0"]
    assert [way["required"] for way in ways] == [
        ["auth_type", "access_token"],
        ["auth_type", "client_id", "client_secret", "redirect_uri", "refresh_token"],
    ]


def test_defaults_are_the_parser_s(spec: ConnectorSpecification) -> None:
    properties = spec.connectionSpecification["properties"]
    parsed = parse_config(long_lived(), now=NOW)
    assert properties["requests_per_second"]["default"] == parsed.requests_per_second
    assert properties["num_workers"]["default"] == parsed.num_workers
    assert properties["readable_columns"]["default"] is parsed.readable_columns
    assert properties["raw_records"]["default"] is parsed.raw_records
    assert properties["chat_texts"]["default"] is parsed.chat_texts
    assert properties["personal_data"]["default"] == parsed.personal_data
    assert (properties["deleted_rows"]["default"] == "mark") is parsed.mark_deleted
    filled = parse_config({**long_lived(), "lookback_window": properties["lookback_window"]["default"]}, now=NOW)
    assert filled.lookback == parsed.lookback == 300


@pytest.mark.parametrize(
    "raw",
    [
        {**long_lived(), "account_domain": "example"},
        {**long_lived(), "account_domain": " https://Example.amocrm.ru/leads/?a=1 "},
        {**long_lived(" Bearer a.b.c\n"), "start_date": "2024-01-31", "lookback_window": "pt2h"},
        {**long_lived(), "start_date": "2024-01-31T00:00:00Z"},
        {**long_lived(), "start_date": ""},
        {**oauth(access_token="", token_expiry_date="2025-10-10T08:53:20Z"), "deleted_rows": "ignore"},
        {**long_lived(), "readable_columns": True, "raw_records": True, "chat_texts": True},
        {**long_lived(), "personal_data": "hash", "personal_data_key": "k" * 16, "personal_fields": ["Паспорт", "1"]},
        {**long_lived(), "personal_data": "drop", "personal_data_key": "", "personal_fields": []},
    ],
)
def test_what_the_parser_takes_the_form_takes(spec: ConnectorSpecification, raw: dict[str, Any]) -> None:
    check_config_against_spec_or_exit(raw, spec)
    parse_config(raw, now=NOW)


def test_examples_are_right(spec: ConnectorSpecification) -> None:
    for name, given in spec.connectionSpecification["properties"].items():
        for example in given.get("examples", []):
            raw = {**long_lived(), name: example}
            check_config_against_spec_or_exit(raw, spec)
            parse_config(raw, now=NOW)


def test_consent_by_the_platform(spec: ConnectorSpecification) -> None:
    advanced = spec.advanced_auth
    assert advanced is not None
    assert advanced.predicate_key == ["credentials", "auth_type"]
    assert advanced.predicate_value == "oauth2.0"
    flow = advanced.oauth_config_specification
    assert flow is not None
    asked = flow.oauth_connector_input_specification
    assert asked is not None
    assert asked.access_token_url == "https://{{ account_domain }}/oauth2/access_token"
    assert asked.extract_output == ["access_token", "refresh_token", "expires_in"]
    filled = {**(flow.complete_oauth_output_specification or {})["properties"]}
    filled |= (flow.complete_oauth_server_output_specification or {})["properties"]
    branch = spec.connectionSpecification["properties"]["credentials"]["oneOf"][1]["properties"]
    assert {name: given["path_in_connector_config"] for name, given in filled.items()} == {
        name: ["credentials", name]
        for name in ("access_token", "refresh_token", "token_expiry_date", "client_id", "client_secret")
    }
    assert set(filled) < set(branch)


def rendered(spec: ConnectorSpecification, domain: str, typed: str, own: str) -> tuple[str, dict[str, str]]:
    """The consent page and the body of the exchange, as Airbyte renders them.

    Airbyte's Jinjava has what is used here of Jinja: a conditional expression, `in` for texts, `lower`. It puts its own
    address under the name `redirect_uri`, over any field of the form that is called so.
    """
    assert spec.advanced_auth is not None
    flow = spec.advanced_auth.oauth_config_specification
    assert flow is not None
    asked = flow.oauth_connector_input_specification
    assert asked is not None
    params = asked.access_token_params or {}
    config = {"account_domain": domain, "credentials": {"redirect_uri": typed}}
    given: dict[str, Any] = {}
    for name, field in (flow.oauth_user_input_from_connector_config_specification or {})["properties"].items():
        value: Any = config
        for step in field["path_in_connector_config"]:
            value = value[step]
        given[name] = value
    for name, value in {
        "client_id": "id",
        "client_secret": "key",
        "code": "def502",
        "state": "st",
        "redirect_uri": own,
    }.items():
        key = {"code": "auth_code"}.get(name, name)
        given |= {name: value, f"{key}_key": name, f"{key}_value": value}
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    text = {name: environment.from_string(name).render(given) for name in [str(asked.consent_url), *params]}
    body = {text[name]: environment.from_string(value).render(given) for name, value in params.items()}
    return text[str(asked.consent_url)], body


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("example.amocrm.ru", "www.amocrm.ru"),
        ("EXAMPLE.AMOCRM.RU", "www.amocrm.ru"),
        ("https://example.amocrm.ru/", "www.amocrm.ru"),
        ("kommo.amocrm.ru", "www.amocrm.ru"),
        ("example", "www.amocrm.ru"),
        ("example.amocrm.com", "www.kommo.com"),
        ("example.kommo.com", "www.kommo.com"),
        ("Example.Kommo.COM", "www.kommo.com"),
        ("https://example.kommo.com", "www.kommo.com"),
        ("https://example.amocrm.com/leads", "www.kommo.com"),
    ],
)
def test_each_service_has_its_consent_page(spec: ConnectorSpecification, domain: str, host: str) -> None:
    url, _ = rendered(spec, domain, "https://air.example.com/auth_flow", "https://air.example.com/auth_flow")
    assert url == f"https://{host}/oauth?client_id=id&state=st"


def test_the_code_is_exchanged_with_the_redirect_uri_that_was_typed(spec: ConnectorSpecification) -> None:
    own = "https://air.example.com/auth_flow"
    body = {
        "client_id": "id",
        "client_secret": "key",
        "grant_type": "authorization_code",
        "code": "def502",
        "redirect_uri": "https://typed.example.com/",
    }
    # a wrong one is refused at once, as amoCRM would refuse it when the token is renewed
    assert rendered(spec, "example.amocrm.ru", "https://typed.example.com/", own)[1] == body
    assert rendered(spec, "example.amocrm.ru", own, own)[1] == {**body, "redirect_uri": own}


def test_which_redirect_uri_to_type_is_told(spec: ConnectorSpecification) -> None:
    way = spec.connectionSpecification["properties"]["credentials"]["oneOf"][1]["properties"]
    assert "must be Airbyte's own address, which Airbyte shows above this field" in way["redirect_uri"]["description"]
