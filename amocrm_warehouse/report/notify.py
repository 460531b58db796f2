"""`source-amocrm report --notify`: sends each recipient their digest and picture of the month, by apprise.

An address of apprise (`tgram://…`, `mailto://…`) holds a password or a token. So it comes from the environment or a
file that only its owner can read, never from a command line, and no message or log line shows a part of it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from amocrm_warehouse.report.report_words import LANGUAGES

VARIABLE = "SOURCE_AMOCRM_NOTIFY"
ENVIRONMENT = "the environment"
"""`--notify` without a file."""
KEYS = ("url", "project", "group", "manager", "language")
PICTURE_NAME = "month.png"
SMTP_REPLY = re.compile(r"""\((\d{3}), b(['"])(.*?)\2\)""")
"""A mail server's refusal as smtplib writes it; apprise's own warning would name the wrong cause, or none."""
SHORTEST_SECRET = 3
"""Shorter parts of an address are not masked in a reason: they would mask letters of ordinary words (characters)."""


@dataclass(frozen=True)
class Recipient:
    """One address and what its digest is limited to: `groups` and `managers` as of `--group` and `--manager`.

    `projects`: the only accounts of the digest, and of the groups and managers.
    """

    place: int
    url: str = field(repr=False)
    projects: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    language: str | None = None

    @property
    def name(self) -> str:
        """What messages call the recipient: the place and the service, without any other part of the address."""
        service = re.match(r"[A-Za-z0-9+.-]+(?=://)", self.url)
        return f"recipient {self.place} ({service[0]})" if service else f"recipient {self.place}"

    def without_digest(self, why: str) -> str:
        """Returns the sentence that the recipient got no digest. `why`: the cause, and the next step."""
        return f"The digest was not sent to {self.name}: {why.rstrip('.')}. Everything else was written."


@dataclass(frozen=True)
class Message:
    recipient: Recipient
    text: str
    """The digest. Its first line is the title."""
    picture: bytes


def recipients(where: str, environment: Mapping[str, str] = os.environ) -> tuple[list[Recipient], list[str]]:
    """Returns the recipients of a file, or the one of the environment, and a sentence for each entry that is wrong.

    Raises ValueError with a sentence if nobody is left.
    """
    if "://" in where:
        raise ValueError(
            "--notify takes no address, because every user of this machine can see a command line: put the address "
            f"into {VARIABLE}, or into a file that --notify names."
        )
    if where == ENVIRONMENT:
        if not (url := environment.get(VARIABLE, "").strip()):
            raise ValueError(f"--notify has no address: put one into {VARIABLE}, or name a file of recipients.")
        return [_valid(Recipient(1, url), f"Correct it in {VARIABLE}")], []
    found, wrong = list[Recipient](), list[str]()
    for place, entry in enumerate(_entries(Path(where)), 1):
        try:
            found.append(_valid(_recipient(place, entry), f"Correct it in {where}"))
        except ValueError as error:
            wrong.append(Recipient(place, "").without_digest(str(error)))
    if not found:
        raise ValueError("\n".join(wrong))
    return found, wrong


def _entries(path: Path) -> list[Any]:
    try:
        if path.stat().st_mode & 0o077:
            raise ValueError(f"Others can read {path}, which holds addresses with passwords: chmod 600 {path}")
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The file of recipients {path} cannot be read: {type(error).__name__}.") from None
    except yaml.YAMLError:
        # the parser's own message quotes the line
        raise ValueError(f"The file of recipients {path} is no YAML.") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"The file of recipients {path} is no list: each entry begins with “- url:”.")
    return entries


def _recipient(place: int, entry: Any) -> Recipient:
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
        raise ValueError("it has no url")
    if unknown := sorted(str(key) for key in entry if key not in KEYS):
        raise ValueError(f"it has unknown keys: {', '.join(unknown)}. There are {', '.join(KEYS)}")
    if entry.get("language") not in (None, *LANGUAGES):
        raise ValueError(f"it has an unknown language. There are {', '.join(LANGUAGES)}")
    projects, groups, managers = (_texts(entry.get(key)) for key in ("project", "group", "manager"))
    return Recipient(place, entry["url"].strip(), projects, groups, managers, entry.get("language"))


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _valid(one: Recipient, advice: str) -> Recipient:
    """Returns the recipient. Raises ValueError if apprise does not know the form of its address."""
    with _quiet():
        if not _apprise().add(one.url):
            raise ValueError(f"its address is none that apprise knows: see https://appriseit.com/services. {advice}")
    return one


def send(messages: list[Message]) -> list[str]:
    """Sends each message. Returns a sentence for each one that was not sent."""
    return [sentence for message in messages if (sentence := _sent(message))]


def _sent(message: Message) -> str:
    from apprise import NotifyFormat
    from apprise.attachment.memory import AttachMemory

    title, _, body = message.text.partition("\n")
    picture = AttachMemory(content=message.picture, name=PICTURE_NAME, mimetype="image/png")  # type: ignore[no-untyped-call]
    with _quiet() as said:
        notifier = _apprise()
        notifier.add(message.recipient.url)
        try:
            is_sent = notifier.notify(body=body, title=title, body_format=NotifyFormat.TEXT, attach=picture)
        except TypeError as error:  # what apprise raises for a message that it cannot take
            is_sent = False
            said.warnings.append(str(error))
    if is_sent:
        return ""
    replies = [
        f"The mail server answered {reply[1]} {reply[3]}" for reply in map(SMTP_REPLY.search, said.details) if reply
    ]
    reasons = replies or said.warnings or ["the service did not take it"]
    return message.recipient.without_digest(masked(reasons[-1].replace("\\n", " "), message.recipient.url))


def masked(reason: str, url: str) -> str:
    """Returns a reason of apprise in one line, in which no part of the address is left."""
    coded, plain = (re.split(r"[/:@?&=,#\s]+", text.partition("://")[2]) for text in (url, unquote(url)))
    for part in sorted({*coded, *map(unquote, coded), *plain}, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            reason = reason.replace(part, "…")
    return " ".join(reason.split())


def _apprise() -> Any:
    """Returns an apprise without recipients, which keeps nothing on the disk."""
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    return Apprise(asset=AppriseAsset(app_id="source-amocrm", app_url="", storage_mode=PersistentStoreMode.MEMORY))


class _Kept(logging.Handler):
    """Keeps the lines of apprise: `warnings`, and the `details` below them, of which none may be shown as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.details: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("apprise"):
            kept = self.warnings if record.levelno >= logging.WARNING else self.details
            kept.append(record.getMessage())


@contextmanager
def _quiet() -> Iterator[_Kept]:
    """Keeps log lines of apprise and of its libraries from the output. Yields those of apprise."""
    said, loggers = _Kept(), [logging.getLogger(name) for name in ("apprise", "urllib3", "requests")]
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(said)
        logger.propagate = False
    loggers[0].setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        for logger, propagates, level in before:
            logger.removeHandler(said)
            logger.propagate = propagates
            logger.setLevel(level)
