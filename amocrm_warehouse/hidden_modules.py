"""Hides modules, of 70 MB, that dlt, pyarrow and duckdb import if they are installed, and do not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _Without(MetaPathFinder):
    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._modules:
            raise ModuleNotFoundError(f"A sync needs no {name}", name=name)


@contextmanager
def without_heavy_modules(database: str) -> Iterator[None]:
    """In the block, importing them fails as if they were not installed. dlt writes to MySQL by sqlalchemy."""
    finder = _Without(("pandas", "numpy", *([] if database.startswith("mysql") else ["sqlalchemy"])))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
