"""The people who may ask the assistant's server over HTTP: their tokens, kept as hashes, and what each may see."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser


@dataclass(frozen=True)
class Person:
    """`manager` or `group`: whose cards alone the person sees; without them all. `accounts`: none named is all."""

    name: str
    token: str
    """SHA-256 of the token, as hexadecimal digits."""
    manager: str = ""
    group: str = ""
    accounts: tuple[str, ...] = ()
    sql: bool = False
    """Whether the person may use the tool `sql`, which shows every row."""

    @property
    def sees_all(self) -> bool:
        return not (self.manager or self.group)


def read_people(path: Path) -> list[Person]:
    """Returns the people of a file. Raises ValueError with a sentence about what is wrong in it."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}. Make it: source-amocrm mcp token add.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{path} is no YAML. Each person is an entry with name and token.") from None
    if not isinstance(entries, list):
        raise ValueError(f"{path} must be a list of people, each with name and token.")
    people = [_person(path, place, entry) for place, entry in enumerate(entries, 1)]
    if twice := {one.name for one in people if [other.name for other in people].count(one.name) > 1}:
        raise ValueError(f"{path} has {', '.join(sorted(twice))} twice. A name has one token.")
    return people


def _person(path: Path, place: int, entry: Any) -> Person:
    if not isinstance(entry, dict) or not {"name", "token"} <= entry.keys():
        raise ValueError(f"Entry {place} of {path} has no name or no token.")
    if unknown := entry.keys() - Person.__dataclass_fields__.keys():
        known = ", ".join(Person.__dataclass_fields__)
        raise ValueError(f"Entry {place} of {path} has {', '.join(map(str, unknown))}. It may have: {known}.")
    accounts = entry.get("accounts") or []
    if not isinstance(accounts, list) or not isinstance(entry.get("sql", False), bool):
        raise ValueError(f"In entry {place} of {path} accounts is a list, and sql is true or false.")
    texts = {name: str(entry.get(name) or "") for name in ("name", "token", "manager", "group")}
    person = Person(**texts, accounts=tuple(map(str, accounts)), sql=entry.get("sql", False))
    if person.sql and not (person.sees_all and not person.accounts):
        raise ValueError(
            f"Entry {place} of {path}: sql shows every row, so that it goes with no manager, group, accounts."
        )
    return person


def write_people(path: Path, people: Iterable[Person]) -> None:
    entries = [{name: value for name, value in asdict(one).items() if value} for one in people]
    for entry in entries:
        entry |= {"accounts": list(entry["accounts"])} if "accounts" in entry else {}
    atomic_file.write(path, yaml.safe_dump(entries, allow_unicode=True, sort_keys=False).encode())


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def whose(path: Path, token: str) -> Person | None:
    """Returns the person with a token. The file is read anew, so that a revoked token ends at once."""
    given = digest(token)
    return next((one for one in read_people(path) if hmac.compare_digest(one.token, given)), None)


def token_command(arguments: list[str]) -> int:
    """`source-amocrm mcp token`: adds a person, whose token is shown once, or revokes the token of one."""
    parser = ArgumentParser(prog="source-amocrm mcp token", description=token_command.__doc__)
    parser.add_argument("verb", choices=("add", "revoke"))
    parser.add_argument("name")
    parser.add_argument("--people", type=Path, default=Path("people.yaml"), help="the file; people.yaml by default")
    parser.add_argument("--manager", default="", help="sees the cards of this user alone")
    parser.add_argument("--group", default="", help="sees the cards of the users of this group alone")
    parser.add_argument("--account", action="append", default=[], help="sees this account alone; may be repeated")
    parser.add_argument("--sql", action="store_true", help="may use the tool sql, if the server has it")
    options = parser.parse_args(arguments)
    people = read_people(options.people) if options.people.exists() else []
    others = [one for one in people if one.name != options.name]
    if options.verb == "revoke":
        if len(others) == len(people):
            there = ", ".join(one.name for one in people) or "nobody"
            raise ValueError(f"{options.people} has no {options.name}. There is: {there}.")
        write_people(options.people, others)
        print(f"The token of {options.name} is revoked.")
        return 0
    if len(others) < len(people):
        raise ValueError(f"{options.people} has {options.name} already. Revoke that token first.")
    token = secrets.token_urlsafe(24)
    person = Person(
        options.name, digest(token), options.manager, options.group, tuple(options.account), options.sql
    )  # fmt: skip
    _person(options.people, len(people) + 1, asdict(person) | {"accounts": options.account})
    write_people(options.people, [*people, person])
    print(f"The token of {options.name}, which is shown this once and kept as a hash:\n{token}")
    return 0
