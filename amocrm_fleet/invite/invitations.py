"""The invitations that were given out: each opens once, for a limited time, wherever the page is restarted."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from source_amocrm import whole_file
from source_amocrm.config.config_file import STATE

DAY = 86_400


@dataclass(frozen=True)
class Invitation:
    """`until` is in seconds since 1970. `account` is the address that alone may be connected, "" for any.

    `used_by` is the address of the account that was connected, "" while there is none.
    """

    until: float
    kommo: bool = False
    account: str = ""
    used_by: str = ""


class Invitations:
    """The file of all invitations of a folder. It holds digests of their keys: who reads it can use none of them."""

    def __init__(self, accounts: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = accounts / STATE / "invitations.json"
        self._clock = clock

    def new(self, days: float, *, kommo: bool = False, account: str = "") -> str:
        """The key of a new invitation, for its link. Raises OSError where the folder cannot be written to."""
        key = secrets.token_urlsafe(32)
        with self._changed() as held:
            held[digest(key)] = Invitation(self._clock() + days * DAY, kommo, account)
        return key

    def find(self, name: str) -> Invitation | None:
        """The invitation whose key has this digest, whether it can still be used or not."""
        return self._read().get(name)

    def is_over(self, invitation: Invitation) -> bool:
        return self._clock() >= invitation.until

    def claim(self, name: str, domain: str) -> bool:
        """Spends the invitation on an account. False where it is spent already, or over."""
        with self._changed() as held:
            invitation = held.get(name)
            if invitation is None or invitation.used_by or self.is_over(invitation):
                return False
            held[name] = replace(invitation, used_by=domain)
            return True

    def release(self, name: str) -> None:
        """Makes an invitation usable again whose account could not be kept."""
        with self._changed() as held:
            held[name] = replace(held[name], used_by="")

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Invitation]]:
        """Writes what was changed, in one step; no other process comes in between."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            held = self._read()
            yield held
            whole_file.write(self._path, whole_file.json_text({name: asdict(one) for name, one in held.items()}))
        finally:
            os.close(number)

    def _read(self) -> dict[str, Invitation]:
        try:
            held: Mapping[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {name: Invitation(**one) for name, one in held.items()}


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
