"""What a verification found, by table, and the sentences and the JSON that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LIMITS: Mapping[str, str] = {
    "old date": "amoCRM shows these cards with an older date than the last sync: an import or an integration edited "
    "them and set the date.",
    "silent deletion": "These notes are gone from amoCRM, and no event told of it.",
    "merged": "These cards are in no list and in no trash of amoCRM: they were merged into others. The table "
    "live_entities, if a sync reads it, knows such cards.",
    "settings": "Where a field, an option, a tag or a catalog's element was renamed or removed, or a customer's "
    "segment changed, amoCRM changes the cards without a new date. If nobody did so, send the file of `--json` to the "
    "authors of the connector.",
}
"""By name, the limits of a sync: changes that amoCRM tells nobody. Only `--refresh` reads them."""
KNOWN_MERGED, TO_MERGED = "merged into others", "links to merged cards"
IN_THE_TRASH, HIDDEN = "links to cards in the trash", "notes and tasks of cards in the trash"
NOT_COUNTED: Mapping[str, str] = {
    "updated_at": "a card that comes back from the trash is dated by its return, and in amoCRM keeps its old date",
    KNOWN_MERGED: "the table live_entities lacks these cards, which tells them apart",
    TO_MERGED: "amoCRM does not tell whom a merged card was linked to, so they stay until the other cards change",
    IN_THE_TRASH: "amoCRM tells neither when it hides such a link nor when it shows it again",
    HIDDEN: "amoCRM hides, or ends, them with their card, and the table keeps what a sync has read",
}
"""Why a kind of row or value is not counted, by its name in `Finding.uncounted`. The other names there are columns."""
OF_COLUMN = "amoCRM changes it without a new date, so it is as old as the row's last change; `--refresh` reads it"
MOST_EXAMPLES = 3
"""Keys of rows that differ that are shown of each kind in a table."""


@dataclass
class Finding:
    """What was found in one table.

    `account`: rows that the account has, None where they were not counted; `database`: live rows that the table has.
    `looked_at`: rows of the account whose key was looked for in the table; `whole`: these are all of them.
    `missing`: live in the account, and in the table not there or deleted. `extra`: live in the table, and not in the
    account, or there more than once. `stale`: older in the table than in the account. `unequal`: by column, how many
    differ, of the `sampled` rows of which every column was compared. Of all these no sync mended any; `limits`: by
    name, those that no sync can mend.
    `changed_since`: differed at first, and were equal after the next sync. `changing`: differed in another way at each
    look. `waiting`: differ, and wait for a sync. `uncounted`: by name, what NOT_COUNTED and OF_COLUMN explain.
    `examples`: keys of rows that differ, by kind. `failure`: why the table, or the rest of it, was not looked at.
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
    limits: Counter[str] = field(default_factory=Counter)
    uncounted: Counter[str] = field(default_factory=Counter)
    changing: int = 0
    waiting: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Finding:
        """Returns a finding that a file kept; what waited then is looked at again."""
        counters = {name: Counter(kept[name]) for name in ("unequal", "limits", "uncounted")}
        return cls(**{**kept, **counters, "waiting": 0})

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.stale + self.unequal.total()

    @property
    def extent(self) -> str:
        """Returns how much was looked at: "all", "n of m", or why nothing was."""
        if self.failure and not self.looked_at:
            return f"not looked at: {self.failure}"
        if self.whole and not self.failure:
            return f"all {self.looked_at:,}"
        most = max(self.looked_at, self.database or 0) if self.account is None else self.account
        return f"{self.looked_at:,} of {most:,}"

    def count(self, kind: str, key: Iterable[Any], columns: Iterable[str] = (), limit: str | None = None) -> None:
        """Counts a difference that no sync mended, and keeps the first keys of its kind for the terminal."""
        columns = list(columns)
        if kind in ("unequal", "without"):
            self.unequal.update(columns)
        else:
            name = "extra" if kind == "twice" else kind
            setattr(self, name, getattr(self, name) + 1)
        if limit:
            self.limits[limit] += len(columns) if kind == "unequal" else 1
        examples = self.examples.setdefault(" ".join([kind, *columns]) if kind == "unequal" else kind, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append("/".join(map(str, key)))

    def as_json(self) -> dict[str, Any]:
        """Returns the numbers alone: no key, no text, no phone."""
        hidden = ("whole", "examples", "failure")
        numbers = {name: value for name, value in vars(self).items() if name not in hidden}
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in numbers.items()
        }


@dataclass
class Verification:
    """The findings by stream. `synced_at`: when the last sync of these tables began.

    `again`: the line that judges the differences that wait for a sync. `notices`: what a sync of the verification could
    not do. `not_kept`: why the result is not in the database, None if it is.
    """

    verified_at: datetime
    synced_at: datetime
    requests: int = 0
    tables: dict[str, Finding] = field(default_factory=dict)
    not_kept: str | None = None
    again: str = ""
    notices: list[str] = field(default_factory=list)

    @property
    def differences(self) -> int:
        return sum(found.differences for found in self.tables.values())

    @property
    def waiting(self) -> int:
        return sum(found.waiting for found in self.tables.values())

    @property
    def failed(self) -> list[str]:
        return [stream for stream, found in self.tables.items() if found.failure]

    @property
    def exit_code(self) -> int:
        """0: all looked at is equal. 1: something differs. 3: differences wait for a sync. 2: a table was not read."""
        return 1 if self.differences else 3 if self.waiting else 2 if self.failed else 0

    def sentence(self) -> str:
        looked_at = sum(found.looked_at for found in self.tables.values())
        partly = sum(bool(found.looked_at) and not found.whole for found in self.tables.values())
        extent = f"{_tables(partly)} of {len(self.tables)} {'was' if partly == 1 else 'were'} looked at in part."
        if self.failed:
            extent += f" {_tables(len(self.failed))} could not be looked at: {', '.join(self.failed)}."
        if changing := [name for name, found in self.tables.items() if found.changing]:
            extent += f" Rows that changed at each look are not counted: {', '.join(changing)}."
        parts = [
            f"{count:,} difference{'' if count == 1 else 's'}{what} in {looked_at:,} rows looked at: {found_in}."
            for count, what, found_in in (
                (self.differences, "", self._listed(lambda found: _kinds(found))),
                (
                    self.waiting,
                    " that wait for a sync",
                    self._listed(lambda found: f"{found.waiting:,}" * bool(found.waiting)),
                ),
            )
            if count
        ]
        return " ".join([*parts, extent]) if parts else f"All {looked_at:,} rows looked at are equal; {extent}"

    def _listed(self, said: Any) -> str:
        texts = {name: said(found) for name, found in self.tables.items()}
        return ", ".join(f"{name} ({text})" for name, text in texts.items() if text)

    def advice(self) -> list[str]:
        """Returns the next steps of a person, the limits of a sync by name."""
        after = (
            f"In five minutes run your sync, then this line: {self.again}"
            if self.again
            else "Verify again after a sync that ends well."
        )
        said = [after] if self.waiting else []
        for limit, cause in LIMITS.items():
            if names := [name for name, found in self.tables.items() if found.limits[limit]]:
                refresh = f"`source-amocrm sync --refresh {','.join(names)}` reads them."
                said.append(f"No sync can know ({limit}, {', '.join(names)}): {cause} {refresh}")
        faulty = [name for name, found in self.tables.items() if found.differences > found.limits.total()]
        if faulty:
            said.append(
                f"`source-amocrm sync --refresh {','.join(faulty)}` reads these tables from the beginning and replaces "
                "them. A sync did not mend what differs: unless somebody wrote to the tables, that is a fault of the "
                "connector. Please send the file of `--json` to its authors. It holds numbers alone."
            )
        if kinds := sorted({kind for found in self.tables.values() for kind in found.uncounted}):
            tables = {kind: [name for name, found in self.tables.items() if found.uncounted[kind]] for kind in kinds}
            causes = (f"{kind} in {', '.join(tables[kind])} ({NOT_COUNTED.get(kind, OF_COLUMN)})" for kind in kinds)
            said.append(f"Not counted: {'; '.join(causes)}.")
        return [*said, *self.notices]

    def as_json(self) -> dict[str, Any]:
        return {
            "verified_at": self.verified_at.isoformat(timespec="seconds"),
            "synced_at": self.synced_at.isoformat(timespec="seconds"),
            "requests": self.requests,
            "tables": {stream: found.as_json() for stream, found in self.tables.items()},
            "failed": {stream: self.tables[stream].failure for stream in self.failed},
        }

    def lines(self, prefix: str) -> Iterator[str]:
        """Yields the table of the terminal, and below it examples of differences."""
        width = max((len(name) for name in self.tables), default=0) + len(prefix)
        wide = max((len(found.extent) for found in self.tables.values() if found.looked_at), default=0)
        head = ("looked at", "missing", "extra", "stale", "unequal", "in every column", "changed since")
        yield f"{'table':<{width}}  {head[0]:>{wide}}" + "".join(f"  {title:>7}" for title in head[1:])
        for stream, found in self.tables.items():
            row = f"{prefix + stream:<{width}}  {found.extent:>{wide}}"
            if found.looked_at or not found.failure:
                numbers = (
                    found.missing, found.extra, found.stale, found.unequal.total(), found.sampled, found.changed_since
                )  # fmt: skip
                row += "".join(f"  {n:>{max(7, len(title))},}" for title, n in zip(head[1:], numbers, strict=True))
            yield row
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
