from __future__ import annotations

from typing import Any

import pytest
from airbyte_cdk.models import FailureType

from source_amocrm.config import Config, LongLived, OAuth, parse_config
from source_amocrm.errors import ConfigError
from testing.http_tools import INTEGRATION, NOW, jwt, long_lived, oauth

DOMAIN_HELP = (
    "Account address (account_domain): this is not the address of an amoCRM or Kommo account. Type it as your browser "
    "shows it when amoCRM is open, for example example.amocrm.ru; it ends with amocrm.ru, amocrm.com or kommo.com."
)
BASE_URL_HELP = (
    "API address (api_base_url): give https:// and a host, or an address of this machine (for example "
    "http://localhost:8080), with nothing behind it; or leave the field empty."
)


def refused(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, now=NOW)
    assert caught.value.failure_type is FailureType.config_error
    return str(caught.value)


def test_the_least_that_is_needed() -> None:
    assert parse_config(long_lived(), now=NOW) == Config(
        domain="example.amocrm.ru",
        base_url="https://example.amocrm.ru",
        credentials=LongLived("long-lived-token"),
        start=None,
        lookback=300,
        mark_deleted=True,
        readable_columns=False,
        raw_records=False,
        chat_texts=False,
        requests_per_second=7,
        num_workers=12,
    )


def test_everything_given() -> None:
    raw = {
        **oauth(access_token="access-0000", token_expiry_date="2025-10-10T08:53:20Z"),
        "account_domain": "Firma.kommo.com",
        "api_base_url": "http://127.0.0.1:8080/",
        "start_date": "2025-01-01T03:00:00+03:00",
        "lookback_window": "P1DT1H",
        "deleted_rows": "ignore",
        "readable_columns": True,
        "raw_records": True,
        "chat_texts": True,
        "requests_per_second": 3.5,
        "num_workers": 4,
        "unknown": {"is": "ignored"},
    }
    assert parse_config(raw, now=NOW) == Config(
        domain="firma.kommo.com",
        base_url="http://127.0.0.1:8080",
        credentials=OAuth(
            client_id=INTEGRATION["client_id"],
            client_secret="clientsecret-1111",
            redirect_uri="https://example.com/",
            refresh_token="refresh-0000",
            access_token="access-0000",
            expires_at=NOW + 86400,
        ),
        start=1735689600,
        lookback=90000,
        mark_deleted=False,
        readable_columns=True,
        raw_records=True,
        chat_texts=True,
        requests_per_second=3.5,
        num_workers=4,
        unknown=("The option “unknown” does not exist, so it changes nothing. Take it out of the config.",),
    )


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("example.amocrm.ru", "example.amocrm.ru"),
        ("example", "example.amocrm.ru"),
        ("  EXAMPLE.AmoCRM.ru. ", "example.amocrm.ru"),
        ("https://example.amocrm.ru/leads/pipeline/?skip_filter=Y#top", "example.amocrm.ru"),
        ("HTTP://Example.kommo.com:443/", "example.kommo.com"),
        ("//example.amocrm.com/dashboard/", "example.amocrm.com"),
        ("example.amocrm.ru/leads", "example.amocrm.ru"),
        ("my-firm-2", "my-firm-2.amocrm.ru"),
        ("\u200bexample.amocrm.ru\ufeff", "example.amocrm.ru"),
    ],
)
def test_account_address_as_people_type_it(typed: str, domain: str) -> None:
    parsed = parse_config({**long_lived(), "account_domain": typed}, now=NOW)
    assert (parsed.domain, parsed.base_url) == (domain, f"https://{domain}")


@pytest.mark.parametrize(
    "typed",
    [
        "amocrm.ru",
        "www.amocrm.ru",
        "www",
        "api.amocrm.ru",
        "api-b.amocrm.ru",
        "a.b.amocrm.ru",
        "example.amocrm.ru.evil.com",
        "evil.com/.amocrm.ru",
        "https://evil.com\\.amocrm.ru",
        "https://example.amocrm.ru@evil.com/",
        "example.amocrm.ua",
        "exampleamocrm.ru",
        "-example.amocrm.ru",
        "пример.amocrm.ru",
        "example amocrm.ru",
        "example.amocrm.ru\n.evil.com",
        "ivan@firma.ru",
        "https:/example.amocrm.ru",
        "https//example.amocrm.ru",
        "http",
        "https://",
        "example://",
        "https://[::1",
        "example.amocrm.ru:99999",
        ".",
        "e" * 64,
        jwt(sub="1"),
    ],
)
def test_what_is_no_account_address(typed: str) -> None:
    assert refused({**long_lived(), "account_domain": typed}) == DOMAIN_HELP


@pytest.mark.parametrize("typed", [None, "", "  ", 7, ["example"]])
def test_account_address_not_given(typed: Any) -> None:
    assert refused({**long_lived(), "account_domain": typed}) == (
        "Account address (account_domain): fill it in, for example example.amocrm.ru."
    )


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://proxy.example.com/", "https://proxy.example.com"),
        ("HTTPS://Proxy.Example.com:8443\n", "https://proxy.example.com:8443"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        (None, "https://example.amocrm.ru"),
        ("", "https://example.amocrm.ru"),
    ],
)
def test_api_address(typed: Any, url: str) -> None:
    assert parse_config({**long_lived(), "api_base_url": typed}, now=NOW).base_url == url


@pytest.mark.parametrize(
    "typed",
    [
        "http://example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
        "https://",
        "https://user:pass@example.com",
        "https://@example.com",
        "https://example.com?a=1",
        "https://example.com?",
        "https://example.com#a",
        "https://example.com#",
        "https://example.com/amo",
        "https://example.com//",
        "https://example.com\\",
        "https:\\\\example.com",
        "https:example.com",
        "https:///example.com",
        "https://example.com.",
        "https://example.com%2f",
        "https://exam\tple.com",
        "https://exam\nple.com",
        "https://ex\u0430mple.com",
        "https://example\u3002com",
        "https://\uff45xample.com",
        "https://\u2488.example.com",
        "http://[::1]evil.com",
        "http://[::1].evil.com",
        "http://[::1]@evil.com",
        "http://[::1]:80@evil.com",
        "http://[::1%25lo]",
        "http://[127.0.0.1]",
        "http://::1",
        "http://[::ffff:127.0.0.1]",
        "http://[::2]",
        "http://0.0.0.0",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://127.0.0.1.evil.com",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:",
        "http://127.0.0.1:+80",
        "http://127.0.0.1:\u0661",
        "http://evil.com\\@127.0.0.1",
        "http://evil.com#@127.0.0.1",
        "https://0x7f.example.0x1",
        "https://example.com/a b",
        "https://exa_mple..com",
        "http://127.0.0.1:port",
        8080,
        {},
    ],
)
def test_api_address_refused(typed: Any) -> None:
    assert refused({**long_lived(), "api_base_url": typed}) == BASE_URL_HELP


TOKEN = jwt(exp=NOW + 86400)


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f"  {TOKEN}\n",
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        f'"{TOKEN}"',
        f"{TOKEN[:40]}\n{TOKEN[40:80]}\r\n  {TOKEN[80:]}",
    ],
)
def test_a_token_as_it_is_pasted(pasted: str) -> None:
    assert parse_config(long_lived(pasted), now=NOW).credentials == LongLived(TOKEN)


@pytest.mark.parametrize("pasted", ["two words", "токен", "a\x00b", "tok\u00a0en here", "Bearer a b", "'", "x" * 16385])
def test_a_token_that_cannot_be_one(pasted: str) -> None:
    assert refused(long_lived(pasted)) == (
        "Long-lived token (access_token): it has blanks or characters that amoCRM does not use in it. Copy it again, "
        "whole and without anything before or after it."
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"client_id": ""}, "Integration ID (client_id): fill it in."),
        ({"client_secret": None}, "Secret key (client_secret): fill it in."),
        ({"refresh_token": " \n"}, "Refresh token (refresh_token): fill it in."),
        ({"refresh_token": 12}, "Refresh token (refresh_token): it must be text."),
        ({"access_token": []}, "Access token (access_token): it must be text."),
        (
            {"redirect_uri": "example.com"},
            "Redirect URI (redirect_uri): it must be an address such as https://example.com/, the same as in the "
            "integration's settings.",
        ),
        (
            {"token_expiry_date": "tomorrow"},
            "Token expiry date (token_expiry_date): this is not a date. Leave the field empty; the connector fills it "
            "in.",
        ),
        (
            {"auth_type": "api_key"},
            'Sign-in (credentials): the way to sign in (auth_type) must be "oauth2.0" or "long_lived_token". Choose '
            "one of the two in the form.",
        ),
    ],
)
def test_sign_in_with_a_mistake(change: dict[str, Any], sentence: str) -> None:
    assert refused(oauth(**change)) == sentence


@pytest.mark.parametrize("given", [None, {}, [], "eyJ.eyJ.sig", 5])
def test_no_sign_in(given: Any) -> None:
    assert refused({"account_domain": "example", "credentials": given}) == (
        "Sign-in (credentials): choose a way to sign in, OAuth 2.0 or a long-lived token, and fill in its fields."
    )


def test_a_misspelled_name_is_named_with_what_it_lacks() -> None:
    assert refused({"account_domain": "example", "credentails": {"access_token": "eyJ.eyJ.sig"}}) == (
        "Sign-in (credentials): choose a way to sign in, OAuth 2.0 or a long-lived token, and fill in its fields. The "
        "option “credentails” does not exist, so it changes nothing. Did you mean credentials?"
    )


def test_unhashable_way_to_sign_in() -> None:
    assert "auth_type" in refused(oauth(auth_type=["oauth2.0"]))


@pytest.mark.parametrize(
    ("typed", "start"),
    [
        (None, None),
        ("", None),
        ("2025-01-01", 1735689600),
        ("2025-01-01T00:00:00Z", 1735689600),
        ("2025-01-01 00:00", 1735689600),
        ("2025-01-01t00:00:00.123456z", 1735689600),
        ("2025-01-01T03:00:00+0300", 1735689600),
        ("1900-01-01", 0),
    ],
)
def test_start_date(typed: Any, start: int | None) -> None:
    assert parse_config({**long_lived(), "start_date": typed}, now=NOW).start == start


@pytest.mark.parametrize(
    "typed",
    ["yesterday", "01.02.2024", "2025-02-30", "2025-13-01", "2025-1-1", "0000-01-01", 20250101, "2025-01-01T25:00"],
)
def test_start_date_that_is_none(typed: Any) -> None:
    assert refused({**long_lived(), "start_date": typed}) == (
        "Start date (start_date): this is not a date. Write it as 2024-01-31 or 2024-01-31T00:00:00Z, or leave it "
        "empty to read everything."
    )


def test_start_date_in_the_future() -> None:
    assert refused({**long_lived(), "start_date": "2025-10-09T08:53:21Z"}) == (
        "Start date (start_date): it lies in the future, so nothing would be read. Choose a date in the past, or leave "
        "it empty to read everything."
    )


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [(None, 300), ("", 300), ("PT5M", 300), ("pt0s", 0), ("P1W", 604800), ("P30D", 2592000), (" P1DT2H3M4S ", 93784)],
)
def test_lookback(typed: Any, seconds: int) -> None:
    assert parse_config({**long_lived(), "lookback_window": typed}, now=NOW).lookback == seconds


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("-PT5M", "it cannot be negative. The usual value is PT5M."),
        (
            "P30DT1S",
            "more than 30 days would read the same rows again in every sync. The usual value is PT5M; the longest is "
            "P30D.",
        ),
    ],
)
def test_lookback_out_of_range(typed: str, sentence: str) -> None:
    assert refused({**long_lived(), "lookback_window": typed}) == f"Look-back window (lookback_window): {sentence}"


@pytest.mark.parametrize(
    "typed", ["5 minutes", "P", "PT", "P1DT", "P1M", "P1Y", "P1W2D", "PT1.5H", "PT٥M", 300, "P" + "9" * 20 + "D"]
)
def test_lookback_that_is_none(typed: Any) -> None:
    assert refused({**long_lived(), "lookback_window": typed}) == (
        "Look-back window (lookback_window): this is not an ISO 8601 duration. Write for example PT5M (five minutes), "
        "PT2H (two hours) or P1D (one day)."
    )


@pytest.mark.parametrize(("typed", "mark"), [(None, True), ("", True), ("Mark ", True), ("ignore", False)])
def test_deleted_rows(typed: Any, mark: bool) -> None:
    assert parse_config({**long_lived(), "deleted_rows": typed}, now=NOW).mark_deleted is mark


@pytest.mark.parametrize(
    ("typed", "wanted"), [(None, False), ("", False), (False, False), ("false", False), (True, True), (" True ", True)]
)
def test_flags(typed: Any, wanted: bool) -> None:
    assert parse_config({**long_lived(), "readable_columns": typed}, now=NOW).readable_columns is wanted
    assert parse_config({**long_lived(), "raw_records": typed}, now=NOW).raw_records is wanted


@pytest.mark.parametrize("typed", ["yes", 2, [], {}])
def test_flags_refused(typed: Any) -> None:
    wanted = "Custom fields as columns (readable_columns): choose true or false."
    assert refused({**long_lived(), "readable_columns": typed}) == wanted
    assert refused({**long_lived(), "raw_records": typed}) == "Whole records (raw_records): choose true or false."


@pytest.mark.parametrize("typed", ["keep", True, []])
def test_deleted_rows_refused(typed: Any) -> None:
    assert refused({**long_lived(), "deleted_rows": typed}) == 'Deleted rows (deleted_rows): choose "mark" or "ignore".'


@pytest.mark.parametrize(("typed", "rate"), [(None, 7), (1, 1), (50, 50), (2.5, 2.5), ("6", 6)])
def test_requests_per_second(typed: Any, rate: float) -> None:
    assert parse_config({**long_lived(), "requests_per_second": typed}, now=NOW).requests_per_second == rate


@pytest.mark.parametrize("typed", [0, 51, -1, True, "fast", float("nan"), float("inf"), 10**400, [7], "7e0"])
def test_requests_per_second_refused(typed: Any) -> None:
    assert refused({**long_lived(), "requests_per_second": typed}) == (
        "Requests per second (requests_per_second): it must be a number from 1 to 50; the usual value is 7."
    )


@pytest.mark.parametrize(("typed", "workers"), [(None, 12), (1, 1), (64, 64), (8.0, 8), ("16", 16)])
def test_num_workers(typed: Any, workers: int) -> None:
    parsed = parse_config({**long_lived(), "num_workers": typed}, now=NOW)
    assert (parsed.num_workers, type(parsed.num_workers)) == (workers, int)


@pytest.mark.parametrize("typed", [0, 65, 2.5, False, "many"])
def test_num_workers_refused(typed: Any) -> None:
    assert refused({**long_lived(), "num_workers": typed}) == (
        "Number of workers (num_workers): it must be a whole number from 1 to 64; the usual value is 12."
    )


@pytest.mark.parametrize("raw", [None, [], "config", 1])
def test_settings_that_are_no_object(raw: Any) -> None:
    assert refused(raw) == "The settings are not a JSON object. Fill in the form again."


def test_personal_data_is_kept_unless_something_else_is_chosen() -> None:
    assert (
        parse_config({**long_lived(), "personal_data": "", "personal_data_key": "short"}, now=NOW).personal_data
        == "keep"
    )
    parsed = parse_config({**long_lived(), "personal_data": " DROP ", "personal_fields": " Паспорт, 77,"}, now=NOW)
    assert (parsed.personal_data, parsed.personal_data_key) == ("drop", None)
    assert parsed.personal_fields == ("Паспорт", "77")
    raw = {**long_lived(), "personal_data": "hash", "personal_data_key": " 0123456789abcdef ", "personal_fields": [77]}
    parsed = parse_config(raw, now=NOW)
    assert (parsed.personal_data, parsed.personal_fields) == ("hash", ("77",))
    assert parsed.secrets() == ["long-lived-token", "0123456789abcdef"]
    assert "0123456789abcdef" not in repr(parsed)


@pytest.mark.parametrize(
    "key", [None, "", "fifteen-letters", "sixteen  letters", 1234567890123456, "ключ-из-русских-букв"]
)
def test_hashes_need_a_key(key: Any) -> None:
    assert refused({**long_lived(), "personal_data": "hash", "personal_data_key": key}) == (
        'Key of personal data (personal_data_key): personal_data is "hash", so it needs a key of 16 Latin letters, '
        "digits and signs or more, without blanks. Keep the key: another one makes other hashes."
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"personal_data": "mask"}, 'Personal data (personal_data): choose "keep", "hash" or "drop".'),
        (
            {"personal_data": "drop", "personal_fields": {"a": 1}},
            "Further personal fields (personal_fields): it must be a list of texts: ids, codes or names of custom "
            "fields, or stream.column.",
        ),
        (
            {"personal_fields": ["Паспорт"]},
            'Further personal fields (personal_fields): they are kept as they are while personal_data is "keep". '
            'Choose "hash" or "drop", or leave the list empty.',
        ),
    ],
)
def test_settings_of_personal_data_that_cannot_be_meant(settings: dict[str, Any], sentence: str) -> None:
    assert refused({**long_lived(), **settings}) == sentence


def test_secrets_are_listed_and_not_shown() -> None:
    parsed = parse_config(oauth(access_token="access-0000"), now=NOW)
    assert parsed.secrets() == ["clientsecret-1111", "refresh-0000", "access-0000"]
    assert parse_config(long_lived(), now=NOW).secrets() == ["long-lived-token"]
    for shown in (repr(parsed), repr(parse_config(long_lived(), now=NOW))):
        assert "0000" not in shown.replace(INTEGRATION["client_id"], "")
        assert "1111" not in shown
        assert "long-lived-token" not in shown


def test_options_that_do_not_exist_are_named_with_the_nearest() -> None:
    raw = {**long_lived(), "redable_columns": True, "pictures": True, "eyJ0eXAi " * 9: 1, "__injected": {}}
    raw["credentials"] = {**raw["credentials"], "acces_token": "x", "client_id": "y"}
    parsed = parse_config(raw, now=NOW)
    assert parsed.unknown == (
        "The option “redable_columns” does not exist, so it changes nothing. Did you mean readable_columns?",
        "The option “pictures” does not exist, so it changes nothing. Take it out of the config.",
        "The option of the config does not exist, so it changes nothing. Take it out of the config.",
        "The option “acces_token” does not exist, so it changes nothing. Did you mean access_token?",
        "The option “client_id” does not exist, so it changes nothing. Take it out of the config.",
    )
    assert parse_config(long_lived(), now=NOW).unknown == parse_config(oauth(), now=NOW).unknown == ()
