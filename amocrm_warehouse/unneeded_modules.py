"""Hides modules that a command does not need, and that libraries import if they are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

OF_ARROW, OF_DLT = ("pandas", "numpy"), ("sqlalchemy",)
"""Modules, of 70 MB together, that pyarrow and duckdb, and that dlt imports."""


class _Hidden(MetaPathFinder):
    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._modules:
            raise ModuleNotFoundError(f"This command needs no {name}", name=name)


@contextmanager
def without_modules(*modules: str) -> Iterator[None]:
    """Lets no import in the block find these modules."""
    finder = _Hidden(*modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
