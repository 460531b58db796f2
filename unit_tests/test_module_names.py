"""A stranger finds a place by its name: each name stands once, and leads to the test of the module."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from source_amocrm.run import VERBS

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("source_amocrm", "amocrm_warehouse", "amocrm_fleet", "amocrm_probe")
PROVED_BY = {
    "integration_tests/test_answers.py": (
        "answer_parts answer_rows asking assistant_queries call_log card_queries card_rows choice digest mcp_command "
        "page_link people sql_rows workbook workbook_summary"
    ),
    "integration_tests/test_forget.py": "forgotten_cards",
    "integration_tests/test_head_of_sales.py": "incoming",
    "integration_tests/test_check_on_a_terminal.py": "check",
    "integration_tests/test_command_line.py": "entrypoint",
    "integration_tests/test_destinations.py": "broken_stdout destination",
    "integration_tests/test_exact_full.py": "administration cards catalogs source",
    "integration_tests/test_exact_moments.py": "by_ids",
    "integration_tests/test_mass_changes.py": "changes_command undo",
    "integration_tests/test_known_fields.py": "per_entity",
    "integration_tests/test_models.py": "database report_words",
    "integration_tests/test_models_settings.py": "unread_tables",
    "integration_tests/test_probe.py": (
        "answer changes filters json_parts lists orders pages parts probe_requests probe_run question shapes trash "
        "without_requests"
    ),
    "integration_tests/test_probe_command.py": "probe_page",
    "integration_tests/test_publish.py": (
        "postgres_warehouse published_tables shared_tables sql_warehouse warehouse warehouse_address"
    ),
    "integration_tests/test_report.py": (
        "first_screen page_constants page_data page_queries read_notes report_page this_machine this_month"
    ),
    "integration_tests/test_single_stream.py": "base resources",
    "integration_tests/test_statement_guard.py": "bounded_select",
    "integration_tests/test_storm.py": "concurrent_reading",
    "integration_tests/test_united_accounts.py": "projects",
    "integration_tests/test_verify.py": "held_tables hidden_modules kept_results row_differences verification",
    "integration_tests/test_verified_tables.py": "rows_looked_at",
    "integration_tests/test_verify_days.py": "lasting_differences",
    "integration_tests/test_watch.py": "week",
    "unit_tests/test_account_sync.py": "connector",
    "unit_tests/test_client.py": "backoff circuit_breaker",
    "unit_tests/test_connect_command.py": "browser",
    "unit_tests/test_dagster_definitions.py": "dagster_settings kept_options",
    "unit_tests/test_database_address.py": "table_lock",
    "unit_tests/test_entity_reading.py": "deletions",
    "unit_tests/test_events_in_no_order.py": "clocks",
    "unit_tests/test_fleet_sync.py": "account_process fleet_work processes",
    "unit_tests/test_full.py": "events_page_size",
    "unit_tests/test_invite_site.py": "button granted_account grants invitations",
    "unit_tests/test_like_with_like.py": "working_days",
    "unit_tests/test_load_queue.py": "arrow_table column_kind",
    "unit_tests/test_loader.py": "duckdb_destination table_names",
    "unit_tests/test_lookup.py": "stream_interface",
    "unit_tests/test_page_size.py": "page_windows",
    "unit_tests/test_plans_and_costs.py": "first_sheet spreadsheet",
    "unit_tests/test_refusals.py": "error_handler",
    "unit_tests/test_rows_history.py": "event_kinds events",
    "unit_tests/test_status.py": "fleet_page",
    "unit_tests/test_tool_arguments.py": "prompts tools",
    "unit_tests/test_superset_bundle.py": "dashboards_command rows_of_marts",
    "unit_tests/test_walks.py": "by_page_number keyset",
    "unit_tests/test_walks_endless.py": "progress_rule",
}
"""The test of each module that has none of its own name."""


def test_each_name_of_a_module_stands_once() -> None:
    files = (path.name for package in (*PRODUCT, "demo") for path in (ROOT / package).rglob("*.py"))
    assert [name for name, times in Counter(files).items() if times > 1 and name != "__init__.py"] == []


def test_each_module_has_a_test_of_its_name_or_a_line_in_the_list() -> None:
    tests = {path.stem for folder in ("unit_tests", "integration_tests") for path in (ROOT / folder).glob("test_*.py")}
    modules = {path.stem for package in PRODUCT for path in (ROOT / package).rglob("*.py")} - {"__init__"}
    without = {name for name in modules if not {f"test_{name}", f"test_{name.removesuffix('_command')}"} & tests}
    assert sorted(" ".join(PROVED_BY.values()).split()) == sorted(without)
    assert [test for test in PROVED_BY if not (ROOT / test).is_file()] == []


def test_each_module_says_what_it_is_for() -> None:
    files = [path for package in (*PRODUCT, "demo") for path in (ROOT / package).rglob("*.py")]
    texts = {path: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in files}
    assert [path for path, text in texts.items() if not text and path.name != "__init__.py"] == []


def test_each_name_of_a_test_stands_once() -> None:
    files = [path.name for folder in ("unit_tests", "integration_tests") for path in (ROOT / folder).glob("test_*.py")]
    assert sorted(set(files)) == sorted(files)


def test_what_several_tests_need_is_no_test() -> None:
    files = [path for folder in ("unit_tests", "integration_tests") for path in (ROOT / folder).glob("*.py")]
    imported = re.compile(r"^\s*(?:from|import) (?:\.|unit_tests|integration_tests)", re.M)
    assert [path.name for path in files if imported.search(path.read_text(encoding="utf-8"))] == []


def test_a_command_line_is_named_by_its_verb() -> None:
    named = {verb: module.rpartition(".")[2] for verb, (module, *_) in VERBS.items()}
    assert named == {verb: f"{verb}_command" for verb in named}


def test_each_place_that_decides_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Where things are decided")[2].partition("## ")[0]
    places = re.findall(r"^\| .+ \| `([^`]+)` \|$", table, re.M)
    assert len(places) == 26
    assert [place for place in places if not (ROOT / place).is_file()] == []
