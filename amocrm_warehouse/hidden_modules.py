"""Hides modules, of 77 MB, that the CDK, pyarrow and duckdb import if they are installed, and do not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

HEAVY = ("boto3", "numpy", "pandas", "sqlalchemy")


class _Hidden(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name in HEAVY:
            raise ModuleNotFoundError(f"A sync needs no {name}", name=name)


@contextmanager
def without_heavy_modules() -> Iterator[None]:
    """In the block, importing them fails as if they were not installed."""
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
