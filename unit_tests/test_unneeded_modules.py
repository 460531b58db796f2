"""A command hides the modules that it does not need, and only while it runs."""

from __future__ import annotations

import importlib
import sys

import pytest

from amocrm_warehouse.unneeded_modules import without_modules


def test_a_hidden_module_is_found_again_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(sys.meta_path)
    with without_modules("colorsys"):
        monkeypatch.delitem(sys.modules, "colorsys", raising=False)
        with pytest.raises(ModuleNotFoundError, match=r"^This command needs no colorsys$"):
            importlib.import_module("colorsys")
        assert importlib.import_module("wave")
    assert importlib.import_module("colorsys")
    assert sys.meta_path == before
