"""The private names of the CDK that this connector overrides or uses: a CDK without them fails here and says which."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.sources.streams.http.requests_native_auth import SingleUseRefreshTokenOauth2Authenticator

import source_amocrm

METHODS: dict[tuple[type, str], str] = {
    (HttpClient, "_send_with_retry"): "self request request_kwargs log_formatter exit_on_rate_limit",
}
"""Each with its parameters."""
ATTRIBUTES: dict[tuple[type, str], str] = {
    (HttpClient, "_error_handler"): "error_handler or",
    (HttpStream, "_http_client"): "HttpClient(",
}
"""Each with what its class's `__init__` sets it to."""
LOCK = "_token_refresh_lock"
NOT_THE_CDK_S = {"_exit", "_replace", "_actions", "_subparsers"}
"""Of `os`, of named tuples and of argparse."""


def parameters(method: object) -> str:
    function = method.fget if isinstance(method, property) else method
    return " ".join(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_a_method_is_there_and_takes_what_it_took(owner: type, name: str) -> None:
    assert parameters(inspect.getattr_static(owner, name)) == METHODS[owner, name]


@pytest.mark.parametrize(("owner", "name"), ATTRIBUTES)
def test_an_attribute_is_set(owner: type, name: str) -> None:
    lines = [line.strip() for line in inspect.getsource(owner.__init__).splitlines()]  # type: ignore[misc]
    set_to = [line.partition("=")[2] for line in lines if line.startswith((f"self.{name} =", f"self.{name}:"))]
    assert any(ATTRIBUTES[owner, name] in value for value in set_to)


def test_the_refresh_has_a_lock() -> None:
    """A thread that holds it takes it again to follow a renamed account."""
    with (lock := getattr(SingleUseRefreshTokenOauth2Authenticator, LOCK)):
        assert lock.acquire(blocking=False)
        lock.release()


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(source_amocrm.__path__, "source_amocrm."):
        yield importlib.import_module(found.name)


def names_of_our_own(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def test_no_other_private_name_is_used() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(source_amocrm.__path__[0]).rglob("*.py")]
    own = {name for tree in trees for name in names_of_our_own(tree)}
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    foreign = {name for name in used - own if name.startswith("_") and not name.startswith("__")}
    asserted = {name for _, name in (*METHODS, *ATTRIBUTES)} | {LOCK}
    assert foreign - NOT_THE_CDK_S <= asserted


def test_no_other_private_method_is_overridden() -> None:
    overridden = {
        name
        for module in modules()
        for ours in vars(module).values()
        if inspect.isclass(ours) and ours.__module__ == module.__name__
        for base in ours.__mro__[1:]
        if base.__module__.startswith("airbyte_cdk")
        for name in vars(ours).keys() & vars(base).keys()
        if name.startswith("_") and not name.startswith("__") and name != "_abc_impl"
    }
    assert overridden == {"_send_with_retry"}
