"""The source's settings, checked once and turned into a frozen typed object.

Whatever a person typed, the outcome is a Config or one ConfigError that names the setting in words. No message repeats
what was typed: people paste tokens into the wrong fields. None and "" mean not set.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pendulum
import yaml
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

from source_amocrm.config.trusted_hosts import account_domain, base_url
from source_amocrm.config_file import DEEPEST, is_deeper
from source_amocrm.errors import ConfigError

OAUTH = "oauth2.0"
LONG_LIVED = "long_lived_token"
KEEP, HASH, DROP = "keep", "hash", "drop"
SHORTEST_KEY = 16
"""Characters of the key of personal data; a shorter one is refused. Who guesses the key can hash all phone numbers."""

_DURATION = re.compile(r"P(\d{1,9}W|(?!$)(\d{1,9}D)?(T(?!$)(\d{1,9}H)?(\d{1,9}M)?(\d{1,9}S)?)?)", re.ASCII)
"""The ISO 8601 durations whose length does not depend on the month."""
_LONGEST_LOOKBACK = 30 * 86_400  # seconds; a longer look-back is refused
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?([.,]\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,16384}")

_FORM: Mapping[str, Any] = yaml.load(
    Path(__file__).parents[1].joinpath("spec.yaml").read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
)["connectionSpecification"]["properties"]
_SIGN_IN = {way["properties"]["auth_type"]["const"]: way["properties"] for way in _FORM["credentials"]["oneOf"]}


@dataclass(frozen=True, slots=True)
class OAuth:
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    refresh_token: str = field(repr=False)
    access_token: str | None = field(repr=False)
    expires_at: int | None  # unix seconds


@dataclass(frozen=True, slots=True)
class LongLived:
    access_token: str = field(repr=False)


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
    personal_data: str = KEEP
    personal_data_key: str | None = field(default=None, repr=False)
    personal_fields: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # a sentence for each option that does not exist

    @property
    def overridden(self) -> bool:
        """Whether requests go to a test server or a proxy instead of the account itself."""
        return self.base_url != f"https://{self.domain}"

    def secrets(self) -> list[str]:
        """Returns every text that must never be seen in an output."""
        sign_in = self.credentials
        of_app = (sign_in.client_secret, sign_in.refresh_token) if isinstance(sign_in, OAuth) else ()
        return [text for text in (*of_app, sign_in.access_token, self.personal_data_key) if text]


def parse_config(raw: Mapping[str, Any], now: float | None = None) -> Config:
    """Returns the checked settings. Raises ConfigError. `now`: Unix seconds, by default of this machine's clock."""
    if not isinstance(raw, Mapping):
        raise ConfigError("The settings are not a JSON object. Fill in the form again.")
    unknown = [*_unknown(raw, _FORM)]
    try:
        return _checked(raw, unknown, now)
    except ConfigError as error:  # what is missing may be there under a name that is misspelled
        raise ConfigError(" ".join([error.message, *unknown])) from None


def _checked(raw: Mapping[str, Any], unknown: Sequence[str], now: float | None) -> Config:
    domain = account_domain(raw.get("account_domain"))
    credentials = _credentials(raw.get("credentials"))
    filled = {name: value for name, value in raw.items() if not _blank(value)}
    options = {
        name: _option(filled, name) for name, form in _FORM.items() if "default" in form and "pattern" not in form
    }
    return Config(
        domain=domain,
        base_url=base_url(raw.get("api_base_url")) or f"https://{domain}",
        credentials=credentials,
        start=_start(filled, time.time() if now is None else now),
        lookback=_lookback(filled),
        mark_deleted=options.pop("deleted_rows") == "mark",
        personal_data_key=_personal_data_key(filled) if options["personal_data"] == HASH else None,
        personal_fields=_personal_fields(filled, options["personal_data"]),
        unknown=(*unknown, *_unknown(raw["credentials"], _SIGN_IN[raw["credentials"]["auth_type"]])),
        **options,
    )


def check_shape(raw: object) -> None:
    """Raises ConfigError for JSON that the CDK cannot walk in search of secrets."""
    if is_deeper(raw, DEEPEST):
        raise ConfigError(
            "The settings are nested more deeply than any setting is. Fill in the form again, or write the config "
            "again."
        )
    if _has_nameless(raw):
        raise ConfigError(
            'The settings hold an entry without a name (""). Take it out of the config, or fill in the form again.'
        )


def token(pasted: object, name: str) -> str:
    """Returns a pasted token, key or id without the blanks, quotes and `Bearer ` around it. Raises ConfigError."""
    if _blank(pasted):
        raise ConfigError(f"{name}: fill it in.")
    if not isinstance(pasted, str):
        raise ConfigError(f"{name}: it must be text.")
    text = pasted.strip().strip("\"'").strip()
    if text[:7].lower() == "bearer ":
        text = text[7:]
    joined = "".join(text.split())
    # a long token copied from a letter or a terminal comes broken into lines; nothing else does
    text = joined if _JWT.fullmatch(joined) else text.strip()
    if not _PRINTABLE.fullmatch(text):
        raise ConfigError(
            f"{name}: it has blanks or characters that amoCRM does not use in it. Copy it again, "
            "whole and without anything before or after it."
        )
    return text


def redirect_uri(pasted: object) -> str:
    name = "Redirect URI (redirect_uri)"
    text = token(pasted, name)
    if not re.match(r"https?://[^/]", text):
        raise ConfigError(
            f"{name}: it must be an address such as https://example.com/, the same as in the integration's settings."
        )
    return text


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _has_nameless(value: object) -> bool:
    if isinstance(value, Mapping):
        return "" in value or any(map(_has_nameless, value.values()))
    return isinstance(value, list) and any(map(_has_nameless, value))


def _unknown(raw: Mapping[str, Any], form: Mapping[str, Any]) -> Iterator[str]:
    """Yields a warning of each option that does not exist. Names that begin with two underscores are the platform's."""
    for name in raw:
        if name not in form and not name.startswith("__"):
            closest = difflib.get_close_matches(name, sorted(form), 1)
            advice = f"Did you mean {closest[0]}?" if closest else "Take it out of the config."
            # a token may have been pasted in place of the name
            shown = f"“{name}”" if re.fullmatch(r"[\w.-]{1,40}", name) else "of the config"
            yield f"The option {shown} does not exist, so it changes nothing. {advice}"


def _wrong(name: str, sentences: str, form: Mapping[str, Any] = _FORM) -> ConfigError:
    return ConfigError(f"{form[name]['title']} ({name}): {sentences}")


def _credentials(raw: object) -> OAuth | LongLived:
    if not isinstance(raw, Mapping) or not raw:
        raise _wrong("credentials", "choose a way to sign in, OAuth 2.0 or a long-lived token, and fill in its fields.")
    kind = raw.get("auth_type")
    if kind not in (LONG_LIVED, OAUTH):
        way = f'the way to sign in (auth_type) must be "{OAUTH}" or "{LONG_LIVED}". Choose one of the two in the form.'
        raise _wrong("credentials", way)

    form = _SIGN_IN[kind]

    def text(name: str) -> str:
        return token(raw.get(name), f"{form[name]['title']} ({name})")

    if kind == LONG_LIVED:
        return LongLived(text("access_token"))
    expires_at = _unix(raw.get("token_expiry_date"))
    if expires_at is None and not _blank(raw.get("token_expiry_date")):
        wrong = "this is not a date. Leave the field empty; the connector fills it in."
        raise _wrong("token_expiry_date", wrong, form)
    return OAuth(
        client_id=text("client_id"),
        client_secret=text("client_secret"),
        redirect_uri=redirect_uri(raw.get("redirect_uri")),
        refresh_token=text("refresh_token"),
        access_token=None if _blank(raw.get("access_token")) else text("access_token"),
        expires_at=expires_at,
    )


def _start(raw: Mapping[str, Any], now: float) -> int | None:
    """Returns the Unix seconds of a date or date-time; it is UTC if it names no zone. None without a date."""
    if "start_date" not in raw:
        return None
    if (moment := _unix(raw["start_date"])) is None:
        wrong = "this is not a date. Write it as 2024-01-31 or 2024-01-31T00:00:00Z"
    elif moment <= now:
        return max(0, moment)
    else:
        wrong = "it lies in the future, so nothing would be read. Choose a date in the past"
    raise _wrong("start_date", f"{wrong}, or leave it empty to read everything.")


def _lookback(raw: Mapping[str, Any]) -> int:
    """Returns the seconds of an ISO 8601 duration."""
    window = raw.get("lookback_window", _FORM["lookback_window"]["default"])
    text = window.strip().upper() if isinstance(window, str) else ""
    if text.startswith("-"):
        wrong = "it cannot be negative. The usual value is PT5M."
    elif not _DURATION.fullmatch(text):
        example = "PT5M (five minutes), PT2H (two hours) or P1D (one day)"
        wrong = f"this is not an ISO 8601 duration. Write for example {example}."
    else:
        with suppress(OverflowError):
            seconds = cast("pendulum.Duration", pendulum.parse(text)).total_seconds()
            if seconds <= _LONGEST_LOOKBACK:
                return int(seconds)
        usual = "The usual value is PT5M; the longest is P30D."
        wrong = f"more than 30 days would read the same rows again in every sync. {usual}"
    raise _wrong("lookback_window", wrong)


def _option(raw: Mapping[str, Any], name: str) -> Any:
    """Returns a choice, a flag or a number, checked by its schema in the form; by default the form's default."""
    form = _FORM[name]
    value = raw.get(name, form["default"])
    text = value.strip().lower() if isinstance(value, str) else value
    if "enum" in form:
        *others, last = (f'"{choice}"' for choice in form["enum"])
        if text not in form["enum"]:
            raise _wrong(name, f"choose {', '.join(others)} or {last}.")
        return text
    if form["type"] == "boolean":
        if text not in (True, False, "true", "false"):
            raise _wrong(name, "choose true or false.")
        return text in (True, "true")
    number = float(text) if isinstance(text, str) and re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text, re.ASCII) else text
    low, high, whole = form["minimum"], form["maximum"], form["type"] == "integer"
    if type(number) not in (int, float) or not low <= number <= high or (whole and number % 1):
        kind = "a whole number" if whole else "a number"
        raise _wrong(name, f"it must be {kind} from {low} to {high}; the usual value is {form['default']}.")
    return int(number) if whole else float(number)


def _personal_data_key(raw: Mapping[str, Any]) -> str:
    key = raw.get("personal_data_key")
    text = key.strip() if isinstance(key, str) else ""
    if len(text) < SHORTEST_KEY or not _PRINTABLE.fullmatch(text):
        raise _wrong(
            "personal_data_key",
            f'personal_data is "{HASH}", so it needs a key of {SHORTEST_KEY} Latin letters, digits and signs or more, '
            "without blanks. Keep the key: another one makes other hashes.",
        )
    return text


def _personal_fields(raw: Mapping[str, Any], personal_data: str) -> tuple[str, ...]:
    """Returns the listed fields as they were typed; if the list is a text, commas separate them."""
    fields = raw.get("personal_fields") or []
    items = fields.split(",") if isinstance(fields, str) else fields
    if not isinstance(items, list) or not all(type(item) in (str, int) for item in items):
        wrong = "it must be a list of texts: ids, codes or names of custom fields, or stream.column."
    elif (listed := tuple(filter(None, (str(item).strip() for item in items)))) and personal_data == KEEP:
        wrong = (
            f'they are kept as they are while personal_data is "{KEEP}". Choose "{HASH}" or "{DROP}", or leave the '
            "list empty."
        )
    else:
        return listed
    raise _wrong("personal_fields", wrong)


def _unix(date: object) -> int | None:
    text = date.strip().upper() if isinstance(date, str) else ""
    try:
        return int(ab_datetime_parse(text).timestamp()) if _MOMENT.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
