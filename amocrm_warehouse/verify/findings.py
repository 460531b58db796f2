"""What a verification found, by table, and the sentences and the JSON that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Finding:
    """What was found in one table.

    `account`: rows that the account has, `database`: live rows that the table has; None where they were not counted.
    `looked_at`: rows of the account whose key was looked for in the table; `whole`: these are all of them.
    `missing`: live in the account, and in the table not there or deleted. `extra`: live in the table, and not in the
    account. `stale`: older in the table than in the account, although the last sync should have read the change.
    `changed_since`: differ because of a change after the last sync began, or shortly before: the next sync brings it.
    `sampled`: rows of which every column was compared; `unequal`: by column, how many differ. `examples`: keys of
    rows that differ, by kind. `failure`: why the table could not be looked at.
    """

    account: int | None = None
    database: int | None = None
    looked_at: int = 0
    whole: bool = False
    missing: int = 0
    extra: int = 0
    stale: int = 0
    changed_since: int = 0
    sampled: int = 0
    unequal: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    failure: str | None = None

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.stale + self.unequal.total()

    def note(self, kind: str, key: Iterable[Any]) -> None:
        """Keeps the first keys of each kind of difference, for the table on the terminal."""
        examples = self.examples.setdefault(kind, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append("/".join(map(str, key)))

    def as_json(self) -> dict[str, Any]:
        """Returns the numbers alone: no key, no text, no phone."""
        return {
            "account": self.account,
            "database": self.database,
            "looked_at": self.looked_at,
            "missing": self.missing,
            "extra": self.extra,
            "stale": self.stale,
            "changed_since": self.changed_since,
            "sampled": self.sampled,
            "unequal": dict(sorted(self.unequal.items())),
        }


MOST_EXAMPLES = 3
"""Keys of rows that differ that are shown of each kind in a table."""


@dataclass
class Verification:
    """The findings by stream. `synced_at`: when the last sync of these tables began.

    `not_kept`: why the result is not in the database, None if it is.
    """

    verified_at: datetime
    synced_at: datetime
    requests: int = 0
    tables: dict[str, Finding] = field(default_factory=dict)
    not_kept: str | None = None

    @property
    def differences(self) -> int:
        return sum(found.differences for found in self.tables.values())

    @property
    def failed(self) -> list[str]:
        return [stream for stream, found in self.tables.items() if found.failure]

    @property
    def exit_code(self) -> int:
        """0 if everything looked at is equal, 1 if something differs, 2 if a table could not be looked at."""
        return 1 if self.differences else 2 if self.failed else 0

    def sentence(self) -> str:
        looked_at = sum(found.looked_at for found in self.tables.values())
        partly = [name for name, found in self.tables.items() if not (found.whole or found.failure)]
        extent = (
            f"{_tables(len(partly))} of {len(self.tables)} {'was' if len(partly) == 1 else 'were'} looked at in part."
        )
        if self.failed:
            extent += f" {_tables(len(self.failed))} could not be looked at: {', '.join(self.failed)}."
        differing = {name: found for name, found in self.tables.items() if found.differences}
        if not differing:
            return f"All {looked_at:,} rows looked at are equal; {extent}"
        found_in = ", ".join(f"{name} ({_kinds(found)})" for name, found in differing.items())
        count = f"{self.differences:,} difference{'' if self.differences == 1 else 's'}"
        return f"{count} in {looked_at:,} rows looked at: {found_in}. {extent}"

    def advice(self) -> list[str]:
        """Returns the next step of a person if something differs."""
        differing = [name for name, found in self.tables.items() if found.differences]
        if not differing:
            return []
        return [
            f"`source-amocrm sync --refresh {','.join(differing)}` reads these tables from the beginning and replaces "
            "them. Unless somebody wrote to the tables, the cause is a fault of the connector: please send the file of "
            "`--json` to its authors. It holds numbers alone. A row of a list without dates, as users or statuses, may "
            "have changed since the last sync: sync and verify again before you look for its cause."
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "verified_at": self.verified_at.isoformat(timespec="seconds"),
            "synced_at": self.synced_at.isoformat(timespec="seconds"),
            "requests": self.requests,
            "tables": {stream: found.as_json() for stream, found in self.tables.items()},
            "failed": {stream: self.tables[stream].failure for stream in self.failed},
        }

    def lines(self, prefix: str) -> list[str]:
        """Returns the table of the terminal, and below it examples of differences."""
        width = max((len(name) for name in self.tables), default=0) + len(prefix)
        head = ("account", "database", "looked at", "missing", "extra", "stale", "changed since", "sampled", "unequal")
        lines = [f"{'table':<{width}}" + "".join(f"  {title:>{max(9, len(title))}}" for title in head)]
        for stream, found in self.tables.items():
            if found.failure:
                lines.append(f"{prefix + stream:<{width}}  not looked at: {found.failure}")
                continue
            numbers = (
                found.account, found.database, found.looked_at, found.missing, found.extra, found.stale,
                found.changed_since, found.sampled, found.unequal.total(),
            )  # fmt: skip
            shown = ("–" if number is None else f"{number:,}" for number in numbers)
            cells = (f"  {text:>{max(9, len(title))}}" for title, text in zip(head, shown, strict=True))
            lines.append(f"{prefix + stream:<{width}}" + "".join(cells))
        return [*lines, *self._examples(prefix)]

    def _examples(self, prefix: str) -> Iterable[str]:
        for stream, found in self.tables.items():
            for kind, keys in found.examples.items():
                yield f"{prefix + stream}: {kind}: {', '.join(keys)}"


def _kinds(found: Finding) -> str:
    counts: Mapping[str, int] = {"missing": found.missing, "extra": found.extra, "stale": found.stale} | {
        f"{column} unequal": count for column, count in found.unequal.items()
    }
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


def _tables(count: int) -> str:
    return "1 table" if count == 1 else f"{count} tables"
