"""`source-amocrm report`: the models built, and one HTML file of the marts; or a workbook, a picture or a digest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

from amocrm_warehouse.database import (
    DATABASE_ERRORS,
    Run,
    check_models_readable,
    check_readable,
    marts_to_read,
    parsed_json,
    projects_in_marts,
    quoted_table,
    reading,
    tables,
)
from amocrm_warehouse.database_address import duckdb_file, is_file, listed
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, stopped_means
from amocrm_warehouse.known_names import people_named
from amocrm_warehouse.live_line import SILENT, LiveLine, Step, live_line
from amocrm_warehouse.models_command import (
    Built,
    add_options,
    build,
    build_from,
    environment,
    limit_memory,
    notes_on_plans,
    print_notes,
    projects_named,
)
from amocrm_warehouse.plans_and_costs import (
    COLUMNS_OF_COSTS,
    check_currencies,
    named_as_in_deals,
    notes_on_costs,
    read_costs,
    read_plans,
)
from amocrm_warehouse.projects import Projects, currencies_in, rows_of_tables
from amocrm_warehouse.report import first_screen, notify, workbook
from amocrm_warehouse.report.answers import choice_of_people, days_of_build, missing, sources_of
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.digest import TABLES, digest
from amocrm_warehouse.report.page_data import EVERYTHING, Contents
from amocrm_warehouse.report.page_queries import BY, FIRST_DAYS, OPTIONS, QUERIES, cautions, needs
from amocrm_warehouse.report.report_page import write
from amocrm_warehouse.report.report_words import LANGUAGES, Words
from amocrm_warehouse.report.week import week
from amocrm_warehouse.table_names import SCHEMA, table_name
from amocrm_warehouse.this_machine import show
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser


def report(
    database: str,
    path: Path | None = None,
    unread: list[str] | None = None,
    built: Built | None = None,
    contents: Contents = EVERYTHING,
    line: LiveLine = SILENT,
    not_made: list[str] | None = None,
) -> Path:
    """Writes the page of the marts in a database. Raises ValueError with a sentence if it cannot be written.

    Sentences about parts that could not be made are added to `not_made`.
    """
    path = path or writable_path(database)
    line.step = lambda: Step("report")
    try:
        with reading(database, marts=contents.marts) as run:
            unbuilt = built.unbuilt if built else {}
            only = None if contents.only is None else frozenset(contents.only)
            choice = replace(last_months(run), users=only, people=contents.people)
            contents = replace(contents, language=contents.language or language_of_accounts(run))
            words = Words(contents.language or user_language(), **days_of_build(run))
            html = first_screen.plain(run, choice, words, unbuilt)
            write(path, counted(run, line), unread or [], unbuilt, replace(contents, plain=html))
    except DATABASE_ERRORS as error:
        raise unreadable(error) from None
    if not_made is not None:
        not_made += words.not_made
    return path


def counted(run: Run, line: LiveLine) -> Run:
    """Returns `run`, whose statements the line counts."""
    line.begin("report", 2 + len(FIRST_DAYS) + len(QUERIES) + len(OPTIONS), "queries")

    def run_counted(sql: str, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        line.count()
        return run(sql, **values)

    return run_counted


def unreadable(error: Exception) -> ValueError:
    return ValueError(f"The marts cannot be read: {why(error)}")


def writable_path(database: str, path: Path | None = None) -> Path:
    """Returns the report's path: by default beside a DuckDB file, for a server in the current folder.

    Raises ValueError if it cannot be written, which a person should know before the models are built.
    """
    if path is None and is_file(database):
        file = duckdb_file(database)
        path = file.with_name(f"{file.stem}-report.html")
    path = (path or Path("amocrm-report.html")).resolve()
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(
            f"The report cannot be written to {path}. Name a file in a folder that is there: --out report.html."
        )
    return path


def check_ending(ending: str, path: Path | None) -> None:
    """Raises ValueError for a file whose name promises other contents than the option that its ending names writes."""
    if path and path.suffix.lower() != f".{ending}":
        raise ValueError(f"The name of the file in --{ending} must end with .{ending}, and is {path.name}.")


def failures(database: str, projects: list[str], schema: str | None) -> list[str]:
    """Returns a sentence for each project whose last sync failed."""
    found = []
    present, schema = tables(database), schema or SCHEMA
    for project in projects:
        syncs = table_name(project, "syncs")
        if f"{schema}.{syncs}" not in present:
            continue
        with reading(database) as run:
            table = quoted_table(run, schema, syncs)
            _, last = run(f"SELECT failures FROM {table} ORDER BY started_at DESC LIMIT 1")
            _, [(ended_at,)] = run(f"SELECT max(ended_at) FROM {table} WHERE ended_well")
        for (told,) in last:
            sentences = parsed_json(told)
            when = ended_at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if ended_at else "never"
            found += [f"{project}, last read whole {when}: {' '.join(sentences)}"] if sentences else []
    return found


def after_sync(database: str, project: str, plans: Path | None = None, schema: str = SCHEMA) -> Path:
    """Builds the models and the report of a synced project, and of the projects that the marts united before.

    Raises ValueError with a sentence if the database fails, too.
    """
    try:
        present = {name.partition(".")[2] for name in tables(database)}
        others = [known.lower() for known in projects_in_marts(database)]
        kept = {known for known in others if {table_name(known, "deals"), table_name(known, "account")} & present}
        projects = sorted(kept | {project.lower()})
        with live_line() as line:
            if plans:
                check_currencies(plans, currencies_in(database, projects, schema))
            built = build(database, projects, plans=read_plans(plans) if plans else None, line=line, raw_schema=schema)
            built = replace(built, notes=notes_on_plans(plans, database, projects, schema))
            path = report(database, None, failures(database, projects, schema), built, line=line)
    except DATABASE_ERRORS as error:
        raise unreadable(error) from None
    print_notes(built)
    if built.unbuilt:
        print(built.failure, file=sys.stderr)
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm report", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, help="the file to write; by default beside the DuckDB file")
    parser.add_argument("--xlsx", type=Path, help="write the tables of the last twelve months into this Excel workbook")
    parser.add_argument("--costs", type=Path, help=f"a CSV file or workbook with the columns {COLUMNS_OF_COSTS}")
    parser.add_argument(
        "--png", type=Path, help="write the first screen, the present month, as a picture into this file"
    )
    parser.add_argument("--digest", action="store_true", help="print fifteen lines about each account")
    parser.add_argument(
        "--week",
        action="store_true",
        help="print a page about the last seven days of each account: what was changed, what is out of habit, what "
        "waits, whether the data are proven",
    )
    parser.add_argument(
        "--notify",
        nargs="?",
        const=notify.ENVIRONMENT,
        metavar="FILE",
        help="send the digest and the picture to the recipients of a file; without a file, to the address of apprise "
        f"in {notify.VARIABLE}",
    )
    parser.add_argument(
        "--elsewhere",
        type=listed,
        default=[],
        metavar="PROJECTS",
        help="with --notify: the projects that other databases hold, separated by commas; a recipient of these alone "
        "is passed over",
    )
    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        help="language of the workbook, the digest and the picture, by default this machine’s; and of the page where "
        "no script runs, by default Russian for accounts of amocrm.ru",
    )
    parser.add_argument(
        "--group", action="append", default=[], help="only the rows of a team, by its name; again for more teams"
    )
    parser.add_argument(
        "--manager",
        action="append",
        default=[],
        help="only the rows of a user, by name or id; again for more users. With --group: of them, those in the team",
    )
    parser.add_argument(
        "--built",
        nargs="?",
        const=ANY,
        metavar="SCHEMA",
        help="read the marts as they are, also those of your own dbt project; build none. If several schemas hold "
        "marts, name one",
    )
    options = parser.parse_args(arguments)
    page_language, options.language = options.language, options.language or user_language()
    limit_memory(options)
    end_by_ctrl_c()
    stopped_means("Models that were built stay, the others and the report are as before.")
    with_page = options.out is not None or not any(
        (options.xlsx, options.digest, options.week, options.png, options.notify)
    )
    try:
        recipients, wrong_entries = notify.recipients(options.notify) if options.notify else ([], [])
        costs = read_costs(options.costs) if options.costs else None
        path = writable_path(options.db, options.out) if with_page else None
        check_ending("xlsx", options.xlsx)
        if options.week and (options.group or options.manager):
            raise ValueError("--week is about whole accounts: leave out --group and --manager.")
        check_ending("png", options.png)
        workbook_path = writable_path(options.db, options.xlsx) if options.xlsx else None
        picture_path = writable_path(options.db, options.png) if options.png else None
        with live_line(sys.stderr, shown=not options.quiet) as line:
            marts = marts_built_before(options) if options.built else None
            if not marts:
                check_people(options)
            built = built_before(options.db, marts) if marts else build_from(options, line)[0]
            united = Projects(projects_in_marts(options.db, marts), []) if marts else projects_named(options)
            line.step = lambda: Step("report")
            with reading(options.db, marts=marts) as run:
                choice = choice_of_people(run, options.group, options.manager)
                words = Words(options.language, **days_of_build(run))
                if workbook_path:
                    line.step = lambda: Step("workbook")
                    workbook.write(workbook_path, run, choice, words, built.unbuilt)
                if picture_path:
                    atomic_file.write(picture_path, first_screen.png(run, choice, words, built.unbuilt))
                texts = [make(run, choice, words, built.unbuilt) for make in chosen_texts(options)]
                wrong = tuple(Words("en")(key, **values) for key, values in cautions(run, choice.days))
                built = replace(built, notes=(*wrong, *built.notes))
                if costs:
                    check_currencies(options.costs, dict(run(CURRENCIES)[1]))
                if costs and "deals" not in built.unbuilt:
                    sources = sources_of(run)
                    costs = named_as_in_deals(costs, sources)
                    notes = notes_on_costs(options.costs, costs, sources, united.read)
                    built = replace(built, notes=(*built.notes, *notes))
            if path:
                unread = failures(options.db, united.read + united.never_read, options.schema)
                shown = Contents(choice.users, choice.people, costs, marts, page_language)
                report(options.db, path, unread, built, shown, line, words.not_made)
            stopped_means("The files are written. Some of the digests may not be sent.")
            messages, not_sent = messages_to(recipients, options, marts, built.unbuilt)
    except DATABASE_ERRORS as error:
        return exit_code(unreadable(error))
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    print_notes(built)
    if built.failure:
        print(built.failure, file=sys.stderr)
    if text := "\n\n".join(filter(None, texts)):
        print(text)
    if path:
        show(path, sys.stderr if texts else None)  # the digest may go on into a messenger
    not_sent += wrong_entries + notify.send(messages)
    for sentence in not_sent:
        print(sentence, file=sys.stderr)
    unmade = list(dict.fromkeys(words.not_made))
    for sentence in unmade:
        print(sentence, file=sys.stderr)
    return NOT_SENT if not_sent else 2 if built.failure or unmade else 0


def chosen_texts(options: argparse.Namespace) -> list[Callable[..., str]]:
    return [make for make, is_chosen in ((digest, options.digest), (week, options.week)) if is_chosen]


CURRENCIES = "SELECT project_id, currency FROM amocrm_staging.int_accounts"
PEOPLE = """
    SELECT users.user_id, users.name, teams.name FROM {users} AS users
    LEFT JOIN {groups} AS teams ON teams.group_id = users.group_id
"""


def check_people(options: argparse.Namespace) -> None:
    """Raises ValueError for a group or manager that no account has, before the models are built.

    Where a table of users or groups was not read, the marts decide.
    """
    if not (options.group or options.manager):
        return
    everybody: list[dict[str, Any]] = []
    for project in projects_named(options).read:
        rows = rows_of_tables(options.db, project, options.schema or SCHEMA, PEOPLE, ("users", "groups"))
        if rows is None:
            return
        everybody += [
            dict(zip(("project_id", "user_id", "manager", "team"), (project, *row), strict=True)) for row in rows
        ]
    people_named(everybody, options.group, options.manager, team="group")


NOT_SENT = 3
"""The exit code if all was written, and a message was not sent."""


def messages_to(
    recipients: Collection[notify.Recipient], options: argparse.Namespace, marts: str | None, unbuilt: Collection[str]
) -> tuple[list[notify.Message], list[str]]:
    """Returns the messages, and a sentence for each recipient whose message cannot be made."""
    messages, not_made = [], []
    elsewhere = {project.casefold() for project in options.elsewhere}
    with reading(options.db, marts=marts) as run:
        for one in recipients:
            projects = tuple(project for project in one.projects if project.casefold() not in elsewhere)
            if one.projects and not projects:
                continue
            try:
                messages.append(message(run, replace(one, projects=projects), options, unbuilt))
            except ValueError as error:
                not_made.append(one.without_digest(str(error)))
    return messages, not_made


def message(run: Run, one: notify.Recipient, options: argparse.Namespace, unbuilt: Collection[str]) -> notify.Message:
    """Returns what a recipient gets: the digest and the picture of their accounts and people, in their language. On the
    first day of work of a week the page about the week follows the digest.

    Raises ValueError with the cause and the next step for a name that nobody has, and for models that are not built.
    """
    if absent := missing(unbuilt, *TABLES):
        raise ValueError(f"It needs models that are not there: {', '.join(sorted(absent))}. {BUILD_THEM}")
    groups, managers = (one.groups, one.managers) if one.groups or one.managers else (options.group, options.manager)
    try:
        choice = choice_of_people(run, groups, managers, one.projects)
    except ValueError as error:
        raise ValueError(f"{error} Correct the entry in {options.notify}") from None
    words = Words(one.language or options.language, **days_of_build(run))
    picture = first_screen.png(run, choice, words, unbuilt)
    text = "\n\n".join(
        filter(None, (digest(run, choice, words, unbuilt), week(run, choice, words, unbuilt, is_due=True)))
    )
    return notify.Message(one, text, picture)


BUILD_THEM = "source-amocrm models builds them, or says why it cannot"
ANY = "any"
"""`--built` without the name of a schema."""
OF_A_BUILD = ("project", "plans", "time_zone", "fields", "working_hours", "days_off", "now")
"""The options that say how the models are built."""


def marts_built_before(options: argparse.Namespace) -> str:
    """Returns the schema of `--built`. Raises ValueError if it is not unique, or if an option would need a build."""
    if given := [f"--{name.replace('_', '-')}" for name in OF_A_BUILD if getattr(options, name) is not None]:
        raise ValueError(f"--built builds no models, so it takes no {', '.join(given)}: leave out one or the other.")
    environment(options.db)  # raises ValueError if there is no such file
    with reading(options.db) as run:
        try:
            marts = marts_to_read(run, None if options.built == ANY else options.built)
        except ValueError:
            check_readable(run, options.db, ["freshness"], "%amocrm_marts")
            raise
    with reading(options.db, marts=marts) as run:
        by = [name for (name,) in run(BY)[1]]
    if options.by is not None and options.by not in by:
        told = f"by “{'”, “'.join(by)}”" if by else "without --by"
        raise ValueError(f"The marts in {marts} were built {told}, so --built cannot show them by “{options.by}”.")
    return marts


def built_before(database: str, marts: str) -> Built:
    """Returns the page's models that are in the database. A model that a dbt project has left out is no failure."""
    needed = set().union(*map(needs, QUERIES.values()))
    with reading(database) as run:
        models = check_models_readable(run, database, marts, needed)
    if not models.built:
        raise ValueError(f"The marts in {marts} do not say of which models they are: build int_tables beside them.")
    present = models.tables(tables(database))
    return Built(len(needed & present), dict.fromkeys(needed - present, "it is not in the database"))


def language_of_accounts(run: Run) -> str:
    """Returns Russian if all accounts are of amocrm.ru, else this machine's language."""
    domains = [domain for (domain,) in run("select domain from amocrm_staging.int_accounts")[1]]
    return "ru" if domains and all(str(domain).endswith(".amocrm.ru") for domain in domains) else user_language()


def user_language() -> str:
    """Returns the language of this machine's user: ru, else en."""
    return "ru" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ru") else "en"


if __name__ == "__main__":
    sys.exit(main())
