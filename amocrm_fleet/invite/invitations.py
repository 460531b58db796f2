"""The invitations of a folder of accounts, in one SQLite file. Each connects one account before it expires."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import STATE, make_private

DAY = 86_400
FORGOTTEN_AFTER = 30 * DAY
"""Time that an ended invitation stays in the file, so that its page can say why the link fails (seconds)."""
ID = 8
"""Length of an invitation's ID, the first letters of its digest, which `--list` shows and `--revoke` takes."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS invitations (name TEXT PRIMARY KEY, until REAL, kommo INTEGER, account TEXT, "
    "used_by TEXT, label TEXT, sender TEXT) WITHOUT ROWID"
)
_COLUMNS = "until, kommo, account, used_by, label, sender"


@dataclass(frozen=True)
class Invitation:
    """One invitation.

    `until`: its end (unix seconds). `account`: the only address that may be connected, "" for any. `used_by`: the
    address of the connected account, "" before. `label`, `sender`: the names of guest and host on the page.
    """

    until: float
    kommo: bool = False
    account: str = ""
    used_by: str = ""
    label: str = ""
    sender: str = ""


class Invitations:
    """The file holds digests of the links' keys, so that it cannot open a link. Every method raises FleetError."""

    def __init__(self, accounts: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = accounts / STATE / "invitations.sqlite"
        self._clock = clock

    def new(self, days: float, *, kommo: bool = False, account: str = "", label: str = "", sender: str = "") -> str:
        """Deletes invitations that ended long ago, adds a new one, and returns the key for its link."""
        key, now = secrets.token_urlsafe(32), self._clock()
        with self._database() as database:
            database.execute("DELETE FROM invitations WHERE until < ?", (now - FORGOTTEN_AFTER,))
            database.execute(
                f"INSERT INTO invitations (name, {_COLUMNS}) VALUES (?, ?, ?, ?, '', ?, ?)",
                (digest(key), now + days * DAY, kommo, account, label, sender),
            )
        return key

    def find(self, name: str) -> Invitation | None:
        """Returns the invitation whose key has this digest, spent and expired ones included."""
        with self._database() as database:
            row = database.execute(f"SELECT {_COLUMNS} FROM invitations WHERE name = ?", (name,)).fetchone()
        return Invitation(row[0], bool(row[1]), *row[2:]) if row else None

    def all(self) -> list[tuple[str, Invitation]]:
        """Returns every invitation with its ID, in the order of their ends."""
        with self._database() as database:
            rows = database.execute(f"SELECT name, {_COLUMNS} FROM invitations ORDER BY until").fetchall()
        return [(name[:ID], Invitation(until, bool(kommo), *rest)) for name, until, kommo, *rest in rows]

    def revoke(self, id_or_link: str) -> bool:
        """Deletes the invitation with this ID or this link. False if there is none."""
        own_id = digest(id_or_link.rpartition("/")[2])[:ID] if "/" in id_or_link else id_or_link
        with self._database() as database:
            return database.execute("DELETE FROM invitations WHERE substr(name, 1, ?) = ?", (ID, own_id)).rowcount > 0

    def is_over(self, invitation: Invitation) -> bool:
        return self._clock() >= invitation.until

    def claim(self, name: str, domain: str) -> bool:
        """Spends the invitation on an account. False if it is spent, expired or revoked already."""
        with self._database() as database:
            found = database.execute(
                "UPDATE invitations SET used_by = ? WHERE name = ? AND used_by = '' AND until > ?",
                (domain, name, self._clock()),
            )
            return found.rowcount == 1

    def release(self, name: str) -> None:
        """Makes an invitation usable again after its account could not be written."""
        with self._database() as database:
            database.execute("UPDATE invitations SET used_by = '' WHERE name = ?", (name,))

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Opens the file for one transaction, committed at the end."""
        try:
            make_private(self._path.parent)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise FleetError(f"{self._path.parents[1]} cannot be written: {error.strerror}.") from None
        try:
            with closing(sqlite3.connect(self._path)) as database, database:
                database.execute(_TABLE)
                yield database
        except sqlite3.OperationalError as error:
            raise FleetError(f"The file of invitations {self._path} cannot be used now: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise FleetError(
                f"The file of invitations {self._path} is damaged ({error}). Put back a copy of it, or move it away: "
                "then the links that were sent stop working, and new ones are needed."
            ) from None


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
