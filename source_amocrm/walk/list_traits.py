"""What amoCRM does not document about a list, learned from its answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_amocrm.walk.tie_order import TieOrder


@dataclass(slots=True)
class ListTraits:
    """Learned by the walks over one list in one direction.

    `inclusive`: whether the edge of the filter is, on the side from which the walk comes; None while unknown.
    `ordered`: the order that was asked for is obeyed. `ties`: the order of the rows of one second. `behind`: people
    changed rows faster than they were read, so that the newest changes are left to the next walk.
    """

    inclusive: bool | None = None
    ordered: bool = False
    ties: TieOrder = field(default_factory=TieOrder)
    behind: bool = False
