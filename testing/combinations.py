"""Cases of which `make test` runs some and `make test-all` every one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(number: int, cases: Iterable[Any]) -> list[Any]:
    """Returns the cases for `parametrize`; all but the first and each `number`th after it are marked as at length.

    A case of several arguments is a tuple. Choose a number that has no factor in common with the number of values of an
    argument, so that each value is among the cases of `make test`.
    """
    long = pytest.mark.at_length
    rows = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*row, marks=long if place % number else ()) for place, row in enumerate(rows)]
