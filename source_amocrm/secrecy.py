"""Masks secrets in everything that is shown."""

from __future__ import annotations

import itertools
import logging
import threading
from urllib.parse import quote

PIECE = 12
"""Characters of a piece of a secret that is masked. A shorter piece may be a word, and is of no use to anybody."""
MASK = "****"
LONGEST = 1 << 16  # characters of a text that are shown; the rest is cut off

_lock = threading.Lock()
_short: tuple[str, ...] = ()  # secrets that are shorter than a piece, the longest first
_pieces: set[str] = set()


def add_to_secrets(secret: str) -> None:
    """Masks the secret and every piece of it from now on, as it is and as addresses quote it."""
    from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets as add_to_those_of_the_cdk  # takes a second

    global _short
    add_to_those_of_the_cdk(secret)
    with _lock:
        if 0 < len(secret) < PIECE:
            _short = tuple(sorted({*_short, secret}, key=len, reverse=True))
        for form in (secret, quote(secret), quote(secret, safe="")):
            _pieces.update(form[start : start + PIECE] for start in range(len(form) - PIECE + 1))


def mask(text: str) -> str:
    """Returns the text with MASK in place of every secret and every piece of a secret."""
    text = text[:LONGEST]
    hidden = bytearray(len(text))
    for start in range(len(text) - PIECE + 1):
        if text[start : start + PIECE] in _pieces:
            hidden[start : start + PIECE] = b"1" * PIECE
    runs = itertools.groupby(zip(text, hidden, strict=True), key=lambda letter: letter[1])
    masked = "".join(MASK if secret else "".join(letter for letter, _ in run) for secret, run in runs)
    for secret in _short:
        masked = masked.replace(secret, MASK)
    return masked


def hide_in_record(record: logging.LogRecord) -> bool:
    """Masks the message and the stack trace of a log record: a handler's filter that lets every record through."""
    record.msg, record.args = mask(record.getMessage()), ()
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    record.exc_text = record.exc_text and mask(record.exc_text)
    return True


def hide_in_logs() -> None:
    for handler in logging.getLogger().handlers:
        handler.addFilter(hide_in_record)
