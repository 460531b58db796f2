"""What a scenario tells: a line of figures, and whether they are what was promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from integration_tests.sandbox.account import Account

from .floor import PER_SECOND
from .measure import Run


@dataclass(frozen=True)
class Line:
    name: str
    figures: dict[str, str]
    held: bool
    """Whether what was promised held."""


@dataclass(frozen=True)
class Place:
    """Where accounts and outputs are kept while it lasts."""

    folder: Path

    def account(
        self, leads: int, kind: str = "", change: Callable[[Account], None] | None = None
    ) -> tuple[Account, Path]:
        """One account of every size and `kind`, which is told by what is changed in it."""
        path = self.folder / f"{leads}-{kind}.account"
        if path.exists():
            return Account.load(path), path
        account = Account.generate(seed=1, leads=leads)
        if change:
            change(account)
        account.save(path)
        return account, path


Scenario = Callable[[Place, bool], Iterator[Line]]


def paced(name: str, run: Run, pages: int, held: bool, limit: float) -> Line:
    """A run at seven requests a second, beside the least time that its pages take."""
    floor = pages / PER_SECOND
    figures = {
        "wall": f"{run.wall:.1f} s",
        "floor": f"{floor:.1f} s",
        "ratio": f"{run.wall / floor:.2f}",
        "at most": f"{limit:.1f} s",
        "requests": f"{run.requests} for {pages} pages ({run.requests / pages:.3f})",
        "429": f"{run.refused}",
        "unique rows": f"{sum(run.unique.values()):,}",
        "CPU": f"{run.cpu:.1f} s",
    }
    return Line(name, figures, held)
