"""Single settings: text as typed -> value, or one ConfigError that names the setting. None and "" mean not set."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import cast

import pendulum

from source_amocrm.errors import ConfigError

DEFAULT_LOOKBACK = 300
MAX_LOOKBACK = 30 * 86400

_DURATION = re.compile(r"P(?!$)(\d{1,9}W)?(\d{1,9}D)?(T(?!$)(\d{1,9}H)?(\d{1,9}M)?(\d{1,9}S)?)?", re.ASCII)
"""The ISO 8601 durations whose length does not depend on the month."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,]\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,16384}")

_START_HELP = (
    "Start date (start_date): this is not a date. Write it as 2024-01-31 or 2024-01-31T00:00:00Z, "
    "or leave it empty to read everything."
)
_LOOKBACK_HELP = (
    "Look-back window (lookback_window): this is not an ISO 8601 duration. Write for example "
    "PT5M (five minutes), PT2H (two hours) or P1D (one day)."
)
_EXPIRY_HELP = (
    "Token expiry date (token_expiry_date): this is not a date. Leave the field empty; the connector fills it in."
)


def blank(given: object) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())


def token(given: object, name: str) -> str:
    """A token, key or id without the blanks, quotes and `Bearer ` that come along when it is pasted."""
    if blank(given):
        raise ConfigError(f"{name}: fill it in.")
    if not isinstance(given, str):
        raise ConfigError(f"{name}: it must be text.")
    text = given.strip().strip("\"'").strip()
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


def redirect_uri(given: object) -> str:
    name = "Redirect URI (redirect_uri)"
    text = token(given, name)
    if not re.match(r"https?://[^/]", text):
        raise ConfigError(
            f"{name}: it must be an address such as https://example.com/, the same as in the integration's settings."
        )
    return text


def start(given: object, now: float) -> int | None:
    """Unix seconds of a date or date-time; UTC when it names no zone."""
    if blank(given):
        return None
    moment = _unix(given)
    if moment is None:
        raise ConfigError(_START_HELP)
    if moment > now:
        raise ConfigError(
            "Start date (start_date): it lies in the future, so nothing would be read. Choose a date in the past, "
            "or leave it empty to read everything."
        )
    return max(0, moment)


def expiry(given: object) -> int | None:
    if blank(given):
        return None
    moment = _unix(given)
    if moment is None:
        raise ConfigError(_EXPIRY_HELP)
    return moment


def lookback(given: object) -> int:
    """Seconds of an ISO 8601 duration."""
    if blank(given):
        return DEFAULT_LOOKBACK
    if not isinstance(given, str):
        raise ConfigError(_LOOKBACK_HELP)
    text = given.strip().upper()
    if text.startswith("-"):
        raise ConfigError("Look-back window (lookback_window): it cannot be negative. The usual value is PT5M.")
    if not _DURATION.fullmatch(text):
        raise ConfigError(_LOOKBACK_HELP)
    try:
        seconds = int(cast("pendulum.Duration", pendulum.parse(text)).total_seconds())
    except OverflowError:
        seconds = MAX_LOOKBACK + 1
    if seconds > MAX_LOOKBACK:
        raise ConfigError(
            "Look-back window (lookback_window): more than 30 days would read the same rows again in every sync. "
            "The usual value is PT5M; the longest is P30D."
        )
    return seconds


def deleted_rows(given: object) -> str:
    if blank(given):
        return "mark"
    text = given.strip().lower() if isinstance(given, str) else None
    if text not in ("mark", "ignore"):
        raise ConfigError('Deleted rows (deleted_rows): choose "mark" or "ignore".')
    return text


def flag(given: object, name: str) -> bool:
    """False when nothing is given."""
    if blank(given):
        return False
    text = given.strip().lower() if isinstance(given, str) else given
    if text in (True, "true"):
        return True
    if text in (False, "false"):
        return False
    raise ConfigError(f"{name}: choose true or false.")


def number(given: object, name: str, low: int, high: int, default: int, *, whole: bool = False) -> float:
    """A number from low to high, both included."""
    if blank(given):
        return default
    kind = "a whole number" if whole else "a number"
    wrong = ConfigError(f"{name}: it must be {kind} from {low} to {high}; the usual value is {default}.")
    if isinstance(given, str) and re.fullmatch(r"\s*\d{1,4}(\.\d{1,6})?\s*", given, re.ASCII):
        given = float(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
        raise wrong
    if math.isnan(given) or (whole and given != int(given)):
        raise wrong
    return float(given)


def _unix(given: object) -> int | None:
    match = _MOMENT.fullmatch(given.strip().upper()) if isinstance(given, str) else None
    if match is None:
        return None
    date, minutes, seconds, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z") else f"{zone[:3]}:{zone[-2:]}"
    try:
        moment = datetime.fromisoformat(f"{date}T{minutes or '00:00'}{seconds or ':00'}{offset}")
        return int(moment.astimezone(timezone.utc).timestamp())
    except (ValueError, OverflowError):
        return None
