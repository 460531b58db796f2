"""The result of a scenario: lines of figures, each with whether its limits were kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.account import Account

from .floor import PER_SECOND
from .measure import Run


@dataclass(frozen=True)
class Line:
    """`held`: whether the limits were kept."""

    name: str
    figures: dict[str, str]
    held: bool


@dataclass(frozen=True)
class Workspace:
    """The folder of the accounts and outputs."""

    folder: Path

    def account(
        self, leads: int, kind: str = "", change: Callable[[Account], None] | None = None
    ) -> tuple[Account, Path]:
        """Returns an account and its file. It is made once for each size and `kind`, which names the `change`."""
        path = self.folder / f"{leads}-{kind}.account"
        if path.exists():
            return Account.load(path), path
        account = Account.generate(seed=1, leads=leads)
        if change:
            change(account)
        account.save(path)
        return account, path


Scenario = Callable[[Workspace, bool], Iterator[Line]]


def paced(name: str, run: Run, pages: int, held: bool, limit: float) -> Line:
    """Compares a run with its floor, the time that its pages take at seven requests a second."""
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
