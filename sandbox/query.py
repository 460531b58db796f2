"""Query strings as PHP reads them: `filter[id][]=1&filter[updated_at][from]=2` is a tree."""

from __future__ import annotations

from typing import Union
from urllib.parse import parse_qsl, quote

Node = Union[str, "dict[str, Node]"]
Query = dict[str, Node]


def parse(raw: str) -> Query:
    """Returns the tree of a raw query string. `[]` numbers its elements from 0; of equal names the last wins."""
    tree: Query = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        head, *rest = name.split("[")
        _put(tree, [head, *(part.rstrip("]") for part in rest)], value)
    return tree


def _put(tree: Query, path: list[str], value: str) -> None:
    *parents, last = path
    for name in parents:
        key = name or str(len(tree))
        branch = tree.get(key)
        if not isinstance(branch, dict):
            branch = tree[key] = {}
        tree = branch
    tree[last or str(len(tree))] = value


def scalar(node: Node | None) -> str | None:
    return node if isinstance(node, str) else None


def values(node: Node | None) -> list[str]:
    """Returns every scalar under a node, comma-separated strings split."""
    if node is None:
        return []
    if isinstance(node, str):
        return [part for part in node.split(",") if part != ""]
    return [value for child in node.values() for value in values(child)]


def child(node: Node | None, key: str) -> Node | None:
    return node.get(key) if isinstance(node, dict) else None


def number(text: str | None) -> float | None:
    """Parses a number. None for anything else."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def with_page(raw: str, page: int, limit: int) -> str:
    """Returns the query string with another page, as in `_links`."""
    parts = [part for part in raw.split("&") if part and part.split("=")[0] not in ("page",)]
    if not any(part.split("=")[0] == "limit" for part in parts):
        parts.append(f"limit={quote(str(limit))}")
    return "&".join([*parts, f"page={page}"])
