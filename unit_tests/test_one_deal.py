"""The page that follows one deal through the code names places, names and columns that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "one-deal.md").read_text(encoding="utf-8")
LINES = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in re.findall(r"^\| `.+\|$", PAGE, re.M)
]


def names(path: Path) -> set[str]:
    """The names that a file of Python or JavaScript defines, methods as Class.method."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"^(?:function|const|let) (\w+)", text, re.M))
    found = set[str]()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_every_path_is_there() -> None:
    paths = set(re.findall(r"`((?:source_amocrm|amocrm_warehouse)/[\w/.]+)`", PAGE))
    assert len(paths) > 20
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_name_is_defined_where_the_page_says() -> None:
    places = [(path, name) for path, name, *_, _ in (line for line in LINES if len(line) == 4) if name]
    assert len(places) > 20
    assert [(path, name) for path, name in places if name not in names(ROOT / path)] == []


def test_the_price_is_called_there_as_the_page_says() -> None:
    called = [(line[0], line[-1]) for line in LINES if line[-1]]
    assert len(called) > 4
    unknown = [(path, price) for path, price in called if price not in (ROOT / path).read_text(encoding="utf-8")]
    assert unknown == []


def test_a_row_of_deals_passes_sixteen_modules_at_most() -> None:
    first, _, _ = PAGE.partition("## From the table")
    assert len(re.findall(r"^\| `", first, re.M)) <= 16
