"""What stands in place of a personal value: a keyed hash, or nothing.

Equal phones and equal addresses have equal hashes however they were typed, so that joins and searches for duplicates go
on working: the hash is HMAC-SHA256 of the normalized value, in hexadecimal digits.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

PHONE, EMAIL, ANY = "phone", "email", "any"
"""The kinds of values, as far as they are normalized differently."""

_NO_DIGITS = re.compile(r"[^0-9]")
_RUSSIAN = re.compile(r"8([0-9]{10})")
"""+7 and 8 are one country code in Russia and Kazakhstan; the marts say the same (`int_amocrm__phones_emails`)."""
_LIKE_PHONE = re.compile(r"[+\s]*(?:[0-9][\s().+/-]*|\(\s*){10,24}", re.ASCII)
_PHONE_DIGITS = range(10, 16)
_LIKE_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")

Pseudonym = Callable[[str, str], str | None]
"""Returns what stands in place of a text of that kind."""


def normalized(text: str, kind: str = ANY) -> str:
    """Returns one form for all ways to type a value: `+79991234567`, `ivan@example.com`, `иван петров`.

    A value of no known kind is what it looks like. Empty where a phone has no digit.
    """
    if kind == PHONE or (kind == ANY and is_phone(text)):
        digits = _NO_DIGITS.sub("", text)
        return "+" + (f"7{digits[1:]}" if _RUSSIAN.fullmatch(digits) else digits) if digits else ""
    if kind == EMAIL or is_email(text):
        return text.strip().lower()
    return " ".join(text.casefold().split())


def is_phone(text: str) -> bool:
    """Whether a text is a phone number and nothing else. A short number may as well be an amount."""
    return bool(_LIKE_PHONE.fullmatch(text.strip())) and len(_NO_DIGITS.sub("", text)) in _PHONE_DIGITS


def is_email(text: str) -> bool:
    return bool(_LIKE_EMAIL.fullmatch(text.strip()))


def keyed_hash(key: str) -> Pseudonym:
    """Returns the pseudonym of `personal_data: hash`. An empty text stays empty."""
    secret = key.encode()

    def pseudonym(text: str, kind: str) -> str:
        plain = normalized(text, kind)
        return hmac.digest(secret, plain.encode("utf-8", "replace"), "sha256").hex() if plain else ""

    return pseudonym
