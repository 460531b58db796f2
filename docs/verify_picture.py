"""`make docs`: draws what `source-amocrm verify` shows on a terminal, from its own lines, for docs/verify.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from amocrm_warehouse.table_names import table_name
from amocrm_warehouse.verify.findings import Finding, Verification
from docs.picture import LETTER, MARGIN, ROW

PICTURE = Path(__file__).resolve().parent / "images" / "verify.svg"
COMMAND = "$ source-amocrm verify --config config.json --to duckdb:///amocrm.duckdb --project 1001"
GOOD, BAD, PLAIN, QUIET = "#7ee787", "#ff7b72", "#e6edf3", "#8b949e"
STYLE = (
    "text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
    ".screen{fill:#0d1117;stroke:#30363d}"
)


def example() -> Verification:
    """An account in which the database lost two deals, and a name of a contact was changed by hand."""
    tables = {
        "users": Finding(14, 14, 14, sampled=14, whole=True),
        "statuses": Finding(23, 23, 23, sampled=23, whole=True),
        "deals": Finding(
            50_123, 50_121, 50_123, missing=2, changed_since=3, sampled=1_900, whole=True,
            examples={"missing": ["24512071", "24519930"]},
        ),
        "contacts": Finding(
            38_402, 38_402, 38_402, sampled=1_900, unequal=Counter(name=1), whole=True,
            examples={"unequal name": ["31870412"]},
        ),
        "companies": Finding(9_760, 9_760, 9_760, sampled=1_900, whole=True),
        "custom_fields_deals": Finding(None, 310_204, 11_846, sampled=11_846),
        "deal_contacts": Finding(None, 58_012, 2_210, sampled=2_210),
        "tasks": Finding(71_214, 71_214, 9_500, changed_since=1, sampled=9_500),
        "notes": Finding(214_870, 214_870, 9_480, sampled=9_480),
        "events": Finding(None, 811_340, 2_280, sampled=2_280),
    }  # fmt: skip
    moment = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
    return Verification(moment, moment, 690, tables)


def lines(found: Verification) -> Iterator[tuple[str, str]]:
    """Yields each line of the terminal with its colour."""
    yield COMMAND, QUIET
    yield from (("", PLAIN), (found.sentence(), BAD if found.differences else GOOD), ("", PLAIN))
    prefix = table_name("1001")
    differing = tuple(f"{prefix}{name}{end}" for name, one in found.tables.items() if one.differences for end in " :")
    for line in found.lines(prefix):
        yield line, BAD if line.startswith(differing) else PLAIN


def svg() -> str:
    drawn = list(lines(example()))
    width = round(max(len(text) for text, _ in drawn) * LETTER) + 2 * MARGIN
    height = len(drawn) * ROW + 2 * MARGIN
    texts = (
        f'<text x="{MARGIN}" y="{MARGIN + ROW * number + 12}" fill="{colour}">{escape(text)}</text>'
        for number, (text, colour) in enumerate(drawn)
        if text
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(COMMAND[2:])}</title>",
            f"<style>{STYLE}</style>",
            '<rect class="screen" width="100%" height="100%" rx="6"/>',
            *texts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
