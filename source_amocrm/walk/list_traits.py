"""How the server lists rows, as far as amoCRM does not document it: a walk learns it from the answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_amocrm.walk.tie_order import TieOrder


@dataclass(slots=True)
class ListTraits:
    """What walks over one list in one direction have learned.

    `inclusive`: whether the filter's edge on the side where the walk begins is inclusive; None while unknown.
    `ordered`: the server obeys the order that was asked for. `ties`: the order of the rows of one second. `behind`:
    people changed rows faster than the walk read them, so that the newest changes are left to the next walk.
    """

    inclusive: bool | None = None
    ordered: bool = False
    ties: TieOrder = field(default_factory=TieOrder)
    behind: bool = False
