"""Plans and costs as people and Excel write them are read right, or refused with the line and the column."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from amocrm_warehouse import spreadsheet
from amocrm_warehouse.plans_and_costs import (
    check_currencies,
    named_as_in_deals,
    notes_on_costs,
    read_costs,
    read_plans,
    strangers_of_plans,
)

HEAD = "project_id;month;responsible_user_id;plan"
COSTS = "month,source,cost"


def plan_of(tmp_path: Path, amount: str, user: str = "7") -> list[str]:
    path = tmp_path / "plans.csv"
    path.write_text(f"{HEAD}\n1001;01.01.2026;{user};{amount}\n", encoding="utf-8")
    [row] = read_plans(path)
    return row


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1,000,000", "1000000"), ("1000000,50", "1000000.50"), ("1 000 000", "1000000"), ("1.000.000,5", "1000000.5"),
        ("1,000,000.50", "1000000.50"), ("1\u00a0000\u202f000,50", "1000000.50"), ("1'000'000", "1000000"),
        ("1 000 000,00 ₽", "1000000.00"), ("$1,234,567", "1234567"), ("100 000 руб.", "100000"), ("0", "0"),
        ("0,500", "0.500"), ("1 000,500", "1000.500"), ("1000.5", "1000.5"), ("9" * 37, "9" * 37),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it(tmp_path: Path, written: str, amount: str) -> None:
    assert plan_of(tmp_path, written) == ["1001", "2026-01-01", "7", amount]


@pytest.mark.parametrize(
    "written",
    ["много", "", "1 00", "12 34 567", "1,00,000", "1,000,5", "1e6", "1_000", "٣", "5.", "1 000\t000 000 0", "−5"],
)
def test_what_is_no_amount_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ValueError, match="plan must be a number, zero or more") as caught:
        plan_of(tmp_path, written)
    assert (
        str(caught.value) == f"Line 2 of {tmp_path}/plans.csv: plan must be a number, zero or more, and is “{written}”."
    )


@pytest.mark.parametrize("written", ["1,000", "1.000", "999.999"])
def test_an_amount_of_two_readings_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ValueError, match="plan must be a number, zero or more") as caught:
        plan_of(tmp_path, written)
    assert str(caught.value) == (
        f"Line 2 of {tmp_path}/plans.csv: plan must be a number, zero or more, and is “{written}”. Write a thousand as "
        "1000, and one as 1.0."
    )


@pytest.mark.parametrize(("written", "user"), [("7 123 456", "7123456"), ("7123456,00", "7123456")])
def test_an_id_is_read_as_a_spreadsheet_shows_it(tmp_path: Path, written: str, user: str) -> None:
    assert plan_of(tmp_path, "5", written)[2] == user


def test_an_id_is_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Line 2 of \S+: responsible_user_id must be a number, and is “7,5”\.$"):
        plan_of(tmp_path, "5", "7,5")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_lines_end_as_any_system_ends_them(tmp_path: Path, end: str) -> None:
    path = tmp_path / "costs.csv"
    path.write_bytes(end.join([COSTS, '2026-01-01,"Сайт, почта",5', "", "2026-02-01,Сайт,6,,"]).encode())
    assert read_costs(path) == [["", "2026-01-01", "Сайт, почта", "5"], ["", "2026-02-01", "Сайт", "6"]]


def test_costs_may_name_their_account(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("month;source;project_id;cost\n01.01.2026;Сайт;1001;5\n01.01.2026;Сайт;;6\n", encoding="utf-8")
    assert read_costs(path) == [["1001", "2026-01-01", "Сайт", "5"], ["", "2026-01-01", "Сайт", "6"]]


def test_a_month_of_another_century_is_refused(tmp_path: Path) -> None:
    """Excel takes 26 for 1926 in some settings."""
    path = tmp_path / "costs.csv"
    path.write_text(f"{COSTS}\n1926-11-01,Сайт,5\n", encoding="utf-8")
    with pytest.raises(ValueError, match="1926") as caught:
        read_costs(path)
    assert str(caught.value) == (
        f"Line 2 of {path}: month must be the first day of a month, as 2026-01-01, and is “1926-11-01”."
    )


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("50 000 ₽", "RUB"), ("50 000 руб.", "RUB"), ("$50", "USD"), ("$50", "MXN"), ("50 000", "EUR"), ("50 €", "EUR"),
        ("50 ₽", None),
    ],
)  # fmt: skip
def test_an_amount_may_have_the_sign_of_its_accounts_currency(tmp_path: Path, amount: str, currency: str) -> None:
    plan_of(tmp_path, amount)
    check_currencies(tmp_path / "plans.csv", {"1001": currency, "1002": "KZT"})


@pytest.mark.parametrize(("amount", "currency"), [("50 000 €", "RUB"), ("100 000 руб.", "KZT"), ("$50", "EUR")])
def test_an_amount_in_another_currency_is_refused(tmp_path: Path, amount: str, currency: str) -> None:
    plan_of(tmp_path, amount)
    path = tmp_path / "plans.csv"
    with pytest.raises(ValueError, match="1001") as caught:
        check_currencies(path, {"1001": currency})
    assert str(caught.value) == (
        f"Line 2 of {path}: “{amount}” is no amount in {currency}, the currency of the account 1001. Write it in "
        f"{currency}."
    )


def test_costs_of_every_account_have_no_sign_that_one_of_them_has_not(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(f"{COSTS}\n2026-01-01,Сайт,5\n2026-02-01,Сайт,5 ₽\n", encoding="utf-8")
    check_currencies(path, {"1001": "RUB"})
    with pytest.raises(
        ValueError, match=r"^Line 3 of \S+ “5 ₽” is no amount in USD, the currency of the account 1002\."
    ):
        check_currencies(path, {"1001": "RUB", "1002": "USD"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"{COSTS}\n2026-01-01,Сайт,1000000,50\n",
            "Line 2 of {path} has 4 cells for 3 columns. Put a cell with a comma in it into quotation marks.",
        ),
        (
            f'{COSTS}\n2026-01-01,"Сайт,5\n2026-02-01,"Сайт",6\n',
            "Line 2 of {path}: a quotation mark is not closed. Close or remove it.",
        ),
        (
            f"\n{HEAD}\n",
            f"The first line of {{path}} must name the columns {COSTS}; it has {HEAD.replace(';', ',')}, separated by "
            "a semicolon.",
        ),
        ("", f"The first line of {{path}} must name the columns {COSTS}; it has nothing."),
        ("\x89PNG\0\0", "The file {path} is neither CSV nor an Excel workbook."),
        (
            "PK\x03\x04",
            "The workbook {path} cannot be read: it is damaged, or a password protects it. Save it as .xlsx again.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=str(path)) as caught:
        read_costs(path)
    assert str(caught.value) == sentence.format(path=path)


def test_every_wrong_line_is_said_with_every_wrong_cell(tmp_path: Path) -> None:
    """Up to ten; of further ones the number."""
    path = tmp_path / "plans.csv"
    month, user = (
        "must be the first day of a month, as 2026-01-01, and is",
        "responsible_user_id must be a number, and is",
    )
    lines = [
        "1001;ноябрь 2026;Анна Ким;5",
        "1001;2026-01-01;7;5",
        "1001;2026-01-01;7;6",
        "1001;2026-02-01;7;5;5",
        "Итого;;;10",
    ]
    path.write_text("\n".join([HEAD, *lines]), encoding="utf-8")
    said = [
        f"Line 2 of {path}: month {month} “ноябрь 2026”. {user} “Анна Ким”.",
        f"Line 4 of {path} plans the same month of the same user as line 3.",
        f"Line 5 of {path} has 5 cells for 4 columns. Put a cell with a semicolon in it into quotation marks.",
        f"Line 6 of {path}: “Итого” is a line of totals. Remove it.",
    ]
    with pytest.raises(ValueError, match="Line 2") as caught:
        read_plans(path)
    assert str(caught.value).splitlines() == said
    path.write_text("\n".join([HEAD, *lines, *["1001;11.2026;7;5"] * 8]), encoding="utf-8")
    with pytest.raises(ValueError, match="Line 2") as caught:
        read_plans(path)
    assert str(caught.value).splitlines() == [
        *said, *(f"Line {line} of {path}: month {month} “11.2026”." for line in range(7, 13)),
        "And 2 more lines are wrong.",
    ]  # fmt: skip
    path.write_text(f"{HEAD}\n1001;2026-01-01;7;5 €\n1001;2026-02-01;7;5 ₽\n1002;2026-03-01;7;5 $\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Line 2") as caught:
        check_currencies(path, {"1001": "RUB", "1002": "EUR"})
    assert [line[:6] for line in str(caught.value).splitlines()] == ["Line 2", "Line 4"]


@pytest.mark.parametrize("label", ["ИТОГО:", "Итог", "Всего за месяц", "Total", "Grand total"])
def test_a_line_of_totals_is_to_be_removed_and_a_source_of_such_a_name_is_none(tmp_path: Path, label: str) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(f"{COSTS}\n2026-01-01,Сайт,5\n,{label},5\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Line 3") as caught:
        read_costs(path)
    assert str(caught.value) == f"Line 3 of {path}: “{label}” is a line of totals. Remove it."
    path.write_text(f"{COSTS}\n2026-01-01,{label},5\n", encoding="utf-8")
    assert read_costs(path) == [["", "2026-01-01", label, "5"]]


def workbook(path: Path, *rows: list[Any]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("План")
        book.add_worksheet("Черновик").write(0, 0, "no plan")
        day = book.add_format({"num_format": "mmm yy"})
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                sheet.write(number + 1, column, value, day if isinstance(value, datetime) else None)
    return path


def test_a_workbook_is_read_from_its_first_sheet(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        HEAD.split(";"),
        [1001, datetime(2026, 1, 1), 7123456, 1_000_000.5],
        [],
        ["acme", "01.02.2026", "7123456", "1 000,5", "", None],
        [1001, datetime(2026, 2, 1), 7, 0.1 + 0.2],
        [1001, datetime(2026, 3, 1), 7, 1e22],
    ]
    assert read_plans(workbook(tmp_path / "plans.xlsx", *rows)) == [
        ["1001", "2026-01-01", "7123456", "1000000.5"],
        ["acme", "2026-02-01", "7123456", "1000.5"],
        ["1001", "2026-02-01", "7", "0.3"],
        ["1001", "2026-03-01", "7", "10000000000000000000000"],
    ]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            [datetime(2026, 1, 15), "Сайт", 5],
            "month must be the first day of a month, as 2026-01-01, and is “2026-01-15”.",
        ),
        ([datetime(2026, 1, 1), "Сайт", True], "cost must be a number, and is “True”."),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_workbook_has_its_line(tmp_path: Path, row: list[Any], sentence: str) -> None:
    path = workbook(tmp_path / "costs.xlsx", COSTS.split(","), row)
    with pytest.raises(ValueError, match="Line 3") as caught:
        read_costs(path)
    assert str(caught.value) == f"Line 3 of {path}: {sentence}"


def test_a_surplus_cell_of_a_workbook_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "costs.xlsx", COSTS.split(","), [datetime(2026, 1, 1), "Сайт", 5, 50])
    with pytest.raises(ValueError, match=r"^Line 3 of \S+ has 4 cells for 3 columns\.$"):
        read_costs(path)


def hole(path: Path) -> None:
    """300 MB, of which the disk holds nothing."""
    path.touch()
    os.truncate(path, 300_000_000)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", b"<" * (spreadsheet.LARGEST + 1))


@pytest.mark.parametrize("make", [hole, bomb])
def test_a_large_file_is_one_sentence(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "costs.csv"
    make(path)
    with pytest.raises(ValueError, match=r"^The file \S+ has more than 20 MB\. Leave only these columns in it\.$"):
        read_costs(path)


@pytest.mark.parametrize(("row", "column"), [(1_048_575, 16_383), (200_000, 2_000)])
def test_cells_that_lie_far_apart_are_one_sentence(tmp_path: Path, row: int, column: int) -> None:
    """A file of some KB, whose area between the first cell and the last takes gigabytes."""
    path = tmp_path / "plans.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for place, name in enumerate(HEAD.split(";")):
            sheet.write(0, place, name)
        sheet.write(row, column, 1)
    for read in (read_plans, read_costs):
        with pytest.raises(ValueError, match=r"^The workbook ") as caught:
            read(path)
        assert str(caught.value) == (
            f"The workbook {path} cannot be read: some of its cells lie too far from the others. Leave only these "
            "columns in it."
        )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^The file {tmp_path} cannot be read: Is a directory\.$"):
        read_costs(tmp_path)


def test_plans_of_accounts_and_users_that_are_not_there_are_named(tmp_path: Path) -> None:
    """Each once, by its first line; where the users were not read, nobody knows."""
    path = tmp_path / "plans.csv"
    plans = ["1001;2026-11-01;999;5", "1001;2026-11-01;7;5", "", "1001;2026-12-01;999;5", "1003;2026-11-01;8;5",
             "1002;2026-11-01;999;5", "1002;2026-12-01;999;5", "1003;2026-11-01;9;5"]  # fmt: skip
    path.write_text("\n".join([HEAD, *plans]), encoding="utf-8")
    assert strangers_of_plans(path, {"1001": {7}, "1003": None}) == [
        f"Line 2 of {path}: the account 1001 has no user 999 and no deal of theirs, and this plan counts all the same. "
        "Correct the id or remove the line.",
        f"Line 7 of {path}: the account 1002 is not among those whose models are built (1001, 1003), so its plans are "
        "left out.",
    ]
    assert strangers_of_plans(path, {"1001": {7, 999}, "1002": {999}, "1003": {8, 9}}) == []


def test_a_source_that_no_deal_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    costs = [["", "2026-11-01", source, "5"] for source in ("Авит", "Сайт", "", "Радио")]
    costs.append(["", "2026-12-01", "Авит", "5"])
    path = tmp_path / "costs.csv"
    assert notes_on_costs(path, costs, {"Авито", "Сайт"}, ["1001"]) == [
        f"{path}: no deal has the source “Авит”, so its costs stand alone. Did you mean Авито?",
        f"{path}: no deal has the source “Радио”, so its costs stand alone.",
    ]


def test_a_source_is_named_as_deals_name_it_whatever_the_case_of_letters(tmp_path: Path) -> None:
    costs = [["", "2026-11-01", source, "5"] for source in ("яндекс", "САЙТ", "сайт", "")]
    assert [row[2] for row in named_as_in_deals(costs, ["Яндекс", "Сайт", "сайт"])] == ["Яндекс", "сайт", "сайт", ""]
    known = {"Яндекс", "Сайт"}
    assert notes_on_costs(tmp_path, named_as_in_deals(costs, known), known, ["1001"]) == []


def test_costs_that_are_counted_in_no_account_or_in_several_are_named(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    costs = [[project, "2026-11-01", "Сайт", "5"] for project in ("1001", "1003", "1003")]
    left_out = f"{path}: the account 1003 is not among those of the marts (1001, 1002), so its costs are left out."
    assert notes_on_costs(path, costs, {"Сайт"}, ["1001", "1002"]) == [left_out]
    assert notes_on_costs(path, [*costs, ["", "2026-11-01", "Сайт", "5"]], {"Сайт"}, ["1001", "1002"]) == [
        left_out,
        f"{path}: costs without an account count whole in each. Name it in a column project_id.",
    ]


def test_a_file_that_is_not_there_is_named_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"^There is no file {tmp_path}/nofile\.csv\. Correct its path\.$"):
        read_costs(Path("nofile.csv"))
