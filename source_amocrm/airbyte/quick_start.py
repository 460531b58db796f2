"""A quicker start: half of what importing the CDK does serves no command of ours.

`airbyte_cdk/__init__.py` imports all of the CDK, the low-code half included; `airbyte_cdk/sources/__init__.py` imports
sources of another kind than ours, with their HTTP; its concurrent source imports the low-code half only to ask of every
stream whether it is one of those; and the serializers of its messages read the source text of their classes for
descriptions that only a JSON schema would show.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGES: dict[str, dict[str, str]] = {
    "airbyte_cdk": {},
    "airbyte_cdk.sources": {"Source": "airbyte_cdk.sources.source"},
}
"""Packages whose own code is not wanted, and where the names that are wanted of them come from."""

LOW_CODE = "airbyte_cdk.sources.declarative"

GARBAGE = (100_000, 50, 100)
"""Containers made since the last search for cycles, and after how many searches the older ones are looked at."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
LARGE = 1 << 24
"""Bytes: what is at least as large goes back to the system when it is free."""
KEPT = 1 << 24
"""Bytes that are kept for the next page, which is as large as the last."""


def hasten() -> None:
    """To be called before the CDK is first imported; later it changes nothing."""
    if "airbyte_cdk" in sys.modules:
        return
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return
        package = importlib.util.module_from_spec(spec)
        package.__class__ = _OnDemand
        sys.modules[name] = package
    sys.meta_path.insert(0, _LowCode())
    with contextlib.suppress(ImportError):
        import attributes_doc

        attributes_doc.get_attributes_doc = _no_descriptions


def _give_memory_back() -> None:
    """With glibc every thread that fetches keeps the memory of the largest answers it had, for itself alone."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def _no_descriptions(cls: type) -> dict[str, str]:  # noqa: ARG001
    return {}


def settle() -> None:
    """What is imported stays for good, and rows are trees: looking among them for cycles now and then is enough.

    With Python's own thresholds half of a sync's CPU goes into that search.
    """
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    _give_memory_back()


class _NotImported(type):
    """A class whose module is not imported: nothing can be an instance of it."""

    def __instancecheck__(cls, instance: object) -> bool:
        return False

    def __call__(cls, *_: object, **__: object) -> Any:
        raise ImportError(f"{cls.__module__} is not imported by the commands of source-amocrm")


class _StandIn(ModuleType):
    """A module of which only classes are wanted, to ask whether something is an instance of them."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _NotImported(name, (), {"__module__": self.__name__})


class _LowCode(MetaPathFinder, Loader):
    """Finds stand-ins for the low-code half of the CDK."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname == LOW_CODE or fullname.startswith(f"{LOW_CODE}."):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, _: ModuleType) -> None:
        """There is nothing in it."""


def _no_stand_ins() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _LowCode)]
    for name in [name for name, module in sys.modules.items() if isinstance(module, _StandIn)]:
        del sys.modules[name]


class _OnDemand(ModuleType):
    """A package whose own code runs when a name of it is first wanted that is not a submodule."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if being_imported := sys.modules.get(f"{self.__name__}.{name}"):
            return being_imported
        if where := PACKAGES[self.__name__].get(name):
            return getattr(importlib.import_module(where), name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        _no_stand_ins()
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)
