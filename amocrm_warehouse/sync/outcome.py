"""The outcome of a sync, for a person and for a program."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """`received`: rows read by stream; `totals`: rows of each table after the sync.

    `errors` and `notices` are sentences: what failed, and what else a person should know. `config_error`: whether a
    person has to mend something before another sync can succeed.
    """

    received: Counter[str] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    config_error: bool = False


def print_table(outcome: Outcome, prefix: str) -> None:
    """Prints, for each stream, the rows that were read and those in its table."""
    width = max((len(name) for name in outcome.totals), default=0) + len(prefix)
    print(f"\n{'table':<{width}}  {'rows read':>10}  {'in the table':>12}")
    for stream, total in sorted(outcome.totals.items()):
        print(f"{prefix + stream:<{width}}  {outcome.received[stream]:>10,}  {total:>12,}")
    print(f"\n{outcome.received.total():,} rows in {outcome.seconds:.1f} s")
