"""The source's settings, checked once and turned into a frozen typed object.

Whatever a person typed, the outcome is a Config or one ConfigError that names the setting in words.
No message repeats what was typed: people paste tokens into the wrong fields.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_amocrm.config import validators
from source_amocrm.config.config_file import DEEPEST, is_deeper
from source_amocrm.config.hosts import account_domain, base_url
from source_amocrm.errors import ConfigError

OAUTH = "oauth2.0"
LONG_LIVED = "long_lived_token"
OPTIONS = frozenset(
    {
        "account_domain",
        "credentials",
        "start_date",
        "deleted_rows",
        "lookback_window",
        "readable_columns",
        "raw_records",
        "chat_texts",
        "requests_per_second",
        "num_workers",
        "api_base_url",
    }
)
"""The names of all options, as spec.yaml has them."""
LONG_LIVED_OPTIONS = frozenset({"auth_type", "access_token"})
OAUTH_OPTIONS = LONG_LIVED_OPTIONS | {
    "client_id",
    "client_secret",
    "redirect_uri",
    "refresh_token",
    "token_expiry_date",
}


@dataclass(frozen=True, slots=True)
class OAuth:
    client_id: str
    client_secret: str
    redirect_uri: str
    refresh_token: str
    access_token: str | None
    expires_at: int | None  # unix seconds

    def __repr__(self) -> str:
        return f"OAuth(client_id={self.client_id!r}, …)"


@dataclass(frozen=True, slots=True)
class LongLived:
    access_token: str

    def __repr__(self) -> str:
        return "LongLived(…)"


@dataclass(frozen=True, slots=True)
class Config:
    domain: str  # example.amocrm.ru
    base_url: str  # https://example.amocrm.ru, or the override; no trailing slash
    credentials: OAuth | LongLived
    start: int | None  # unix seconds; None = everything
    lookback: int  # seconds
    mark_deleted: bool
    readable_columns: bool
    raw_records: bool
    chat_texts: bool
    requests_per_second: float
    num_workers: int
    unknown: tuple[str, ...] = ()  # a sentence for each option that does not exist

    @property
    def overridden(self) -> bool:
        """True when requests go to a test server or a proxy instead of the account itself."""
        return self.base_url != f"https://{self.domain}"

    def secrets(self) -> list[str]:
        """Every text that must never be seen in an output."""
        given = self.credentials
        if isinstance(given, LongLived):
            return [given.access_token]
        held = (given.client_secret, given.refresh_token, given.access_token)
        return [text for text in held if text]


def parse_config(raw: Mapping[str, Any], now: float | None = None) -> Config:
    """Raises ConfigError; `now` is unix seconds, this machine's clock when not given."""
    if not isinstance(raw, Mapping):
        raise ConfigError("The settings are not a JSON object. Fill in the form again.")
    moment = time.time() if now is None else now
    domain = account_domain(raw.get("account_domain"))
    credentials = _credentials(raw.get("credentials"))
    of_sign_in = OAUTH_OPTIONS if isinstance(credentials, OAuth) else LONG_LIVED_OPTIONS
    return Config(
        domain=domain,
        base_url=base_url(raw.get("api_base_url")) or f"https://{domain}",
        credentials=credentials,
        start=validators.start(raw.get("start_date"), moment),
        lookback=validators.lookback(raw.get("lookback_window")),
        mark_deleted=validators.deleted_rows(raw.get("deleted_rows")) == "mark",
        readable_columns=validators.flag(raw.get("readable_columns"), "Custom fields as columns (readable_columns)"),
        raw_records=validators.flag(raw.get("raw_records"), "Whole records (raw_records)"),
        chat_texts=validators.flag(raw.get("chat_texts"), "Texts of chats (chat_texts)"),
        requests_per_second=validators.number(
            raw.get("requests_per_second"), "Requests per second (requests_per_second)", 1, 50, 7
        ),
        num_workers=int(
            validators.number(raw.get("num_workers"), "Number of workers (num_workers)", 1, 64, 12, whole=True)
        ),
        unknown=(*_unknown(raw, OPTIONS), *_unknown(raw["credentials"], of_sign_in)),
    )


def check_shape(raw: object) -> None:
    """Raises ConfigError for what is JSON, but what the CDK cannot walk in search of secrets."""
    if is_deeper(raw, DEEPEST):
        raise ConfigError(
            "The settings are nested more deeply than any setting is. Fill in the form again, or write the config "
            "again."
        )
    if _has_nameless(raw):
        raise ConfigError(
            'The settings hold an entry without a name (""). Take it out of the config, or fill in the form again.'
        )


def _has_nameless(value: object) -> bool:
    if isinstance(value, Mapping):
        return "" in value or any(map(_has_nameless, value.values()))
    return isinstance(value, list) and any(map(_has_nameless, value))


def _unknown(given: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """A sentence for each option that does not exist. Names with two underscores in front are the platform's own."""
    return [_no_such_option(name, known) for name in given if name not in known and not name.startswith("__")]


def _no_such_option(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    advice = f"Did you mean {near[0]}?" if near else "Take it out of the config."
    # a token may have been pasted in place of the name
    shown = f"“{name}”" if re.fullmatch(r"[\w.-]{1,40}", name) else "of the config"
    return f"The option {shown} does not exist, so it changes nothing. {advice}"


def _credentials(given: object) -> OAuth | LongLived:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            "Sign-in (credentials): choose a way to sign in, OAuth 2.0 or a long-lived token, and fill in its fields."
        )
    kind = given.get("auth_type")
    if kind == LONG_LIVED:
        return LongLived(validators.token(given.get("access_token"), "Long-lived token (access_token)"))
    if kind == OAUTH:
        access = given.get("access_token")
        return OAuth(
            client_id=validators.token(given.get("client_id"), "Integration ID (client_id)"),
            client_secret=validators.token(given.get("client_secret"), "Secret key (client_secret)"),
            redirect_uri=validators.redirect_uri(given.get("redirect_uri")),
            refresh_token=validators.token(given.get("refresh_token"), "Refresh token (refresh_token)"),
            access_token=None if validators.blank(access) else validators.token(access, "Access token (access_token)"),
            expires_at=validators.expiry(given.get("token_expiry_date")),
        )
    raise ConfigError(
        f'Sign-in (credentials): the way to sign in (auth_type) must be "{OAUTH}" or "{LONG_LIVED}". '
        "Choose one of the two in the form."
    )
