"""`source-amocrm changes`: what was changed in many cards at once, by whom, and how to put it back."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from datetime import date
from io import BytesIO
from pathlib import Path

import xlsxwriter

from amocrm_warehouse.changes.mass_changes import KINDS, MassChange, mass_changes, read_cards, without_events
from amocrm_warehouse.changes.undo import write_undo
from amocrm_warehouse.database import DATABASE_ERRORS, marts_to_read, reading
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, stopped_means
from amocrm_warehouse.live_line import live_line
from amocrm_warehouse.models_command import add_options, build_from, limit_memory, projects_named
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser

MODELS = ("mass_changes", "mass_change_cards")


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm changes", description=__doc__, conflict_handler="resolve")
    add_options(parser)
    parser.set_defaults(by=None)  # of the models a custom field, of which these marts have no use
    parser.add_argument("--project", help="only these accounts, separated by commas; by default all in the database")
    parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="from this day on, as 2026-11-03")
    parser.add_argument(
        "--by", dest="author", metavar="NAME", help="only those of this author, by name or id; robot for robots"
    )
    parser.add_argument("--kind", choices=KINDS, help="only those of this kind")
    parser.add_argument("--cards", action="store_true", help="each card, too, with its values before and after")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--xlsx", type=Path, metavar="FILE", help="a workbook with before and after of each card")
    parser.add_argument("--undo", type=Path, metavar="FOLDER", help="write the files by which you put it back")
    parser.add_argument("--built", action="store_true", help="read the marts as they are; build none")
    options = parser.parse_args(arguments)
    end_by_ctrl_c()
    limit_memory(options)
    stopped_means("Nothing was written.")
    try:
        with live_line(sys.stderr, shown=not options.quiet) as line:
            projects = projects_named(options).read
            of_all = Namespace(**{**vars(options), "project": None})  # the marts keep the other accounts
            built = None if options.built else build_from(of_all, line)[0]
        if missing := [name for name in MODELS if built and name in built.unbuilt]:
            raise ValueError(f"The model {missing[0]} could not be built: {built.failure if built else ''}")
        with reading(options.db) as run:
            if options.built:
                marts_to_read(run, None)
            found = mass_changes(run, projects=projects, since=options.since, by=options.author, kind=options.kind)
            read_cards(run, found)
            unknown = without_events(run, projects)
        for project in unknown:
            print(f"No events of {project} were read, so that nobody knows what was changed in it.", file=sys.stderr)
        if options.xlsx:
            atomic_file.write(options.xlsx, _workbook(found))
        if options.undo and found:
            counts = write_undo(found, options.undo)
            print(
                f"{options.undo} has the values before of {counts['put_back']} cards; {counts['left_out']} are left "
                "out, see its README.md.", file=sys.stderr,
            )  # fmt: skip
    except DATABASE_ERRORS as error:
        return exit_code(ValueError(f"The marts cannot be read: {why(error)}"))
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    if options.json:
        print(json.dumps({"changes": [one.as_json(with_cards=options.cards) for one in found]}, ensure_ascii=False))
    else:
        for text in _lines(found, with_cards=options.cards):
            print(text)
    return 0


def _lines(found: list[MassChange], *, with_cards: bool) -> list[str]:
    if not found:
        return ["No mass changes: nobody changed twenty cards or more in one way within a minute of each other."]
    lines = []
    for one in found:
        what = f"{one.kind}{f' “{one.field_name}”' if one.field_name else ''}"
        money = f", {one.money:,.0f} {one.currency or ''}".rstrip() if one.money else ""
        usual = "" if one.is_news else f" (usual at this hour: {one.usual_cards:,.0f})"
        lines.append(
            f"{one.began_local:%Y-%m-%d %H:%M:%S}  {one.author_name}: {what}, {one.cards:,} cards ({one.entity_type})"
            f"{money}{usual}"
        )
        lines += [f"    {_shown(before)} → {_shown(after)}: {cards:,}" for before, after, cards in one.pairs()]
        if not with_cards and (others := one.of_other_pairs()):
            lines.append(f"    other values: {others:,}. --cards names each card.")
        if with_cards:
            lines += [
                f"    {card.entity_id}  {card.name or ''}: {_shown(card.before)} → {_shown(card.after)}"
                f"{', changed since' if card.is_changed_since else ''}"
                for card in one.touched
            ]
    return lines


def _shown(value: str | None) -> str:
    return "—" if value is None else value if len(value) <= 60 else f"{value[:59]}…"


HEADS = [
    "Account", "When", "Author", "Kind", "Field", "Card", "Id", "Name", "Before", "After", "Budget before",
    "Changed since",
]  # fmt: skip


AS_TEXT = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def _workbook(found: list[MassChange]) -> bytes:
    output = BytesIO()
    with xlsxwriter.Workbook(output, AS_TEXT) as book:
        sheet = book.add_worksheet("Changes")
        bold, moment = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, HEADS, bold)
        row = 0
        for one in found:
            for card in one.touched:
                row += 1
                own = (one.author_name, one.kind, one.field_name, one.entity_type, card.entity_id, card.name)
                sheet.write(row, 0, one.project_id)
                sheet.write_datetime(row, 1, one.began_local, moment)
                money = None if card.money is None else float(card.money)
                values = (*own, card.before, card.after, money, "yes" if card.is_changed_since else "")
                for column, value in enumerate(values, 2):
                    sheet.write(row, column, value)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(row, 1), len(HEADS) - 1)
        sheet.set_column(1, len(HEADS) - 1, 20)
    return output.getvalue()


if __name__ == "__main__":
    sys.exit(main())
