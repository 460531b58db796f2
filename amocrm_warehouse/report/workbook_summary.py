"""The first sheet of the workbook: each account's figures, and native charts of its months, managers and stages."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import answer, marks_of, missing
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_queries import built_at
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made

FIGURES = ("won_budget", "won", "lost", "rate", "average", "days_to_win", "created", "first_touch")
OF_NOW = ("live", "live_budget", "dead", "dead_budget")
MANAGERS_SHOWN = 12
"""The most managers of the chart."""
FORMATS = {"money": "#,##0", "percent": "0%", "minutes": "#,##0", "days": "0.0", "number": "#,##0"}
CHART = {"width": 620, "height": 290}
"""The size of a chart (pixels): as high as 14 rows, and as wide as eight columns."""
ROWS_OF_CHART, CHARTS_AT = 15, 5
ACCENT, PALE, INK = "#2C5BD0", "#B9C2D0", "#1A1F2B"


def write_summary(book: Any, run: Run, choice: Choice, words: Words, unbuilt: Collection[str]) -> None:
    page = book.add_worksheet(words("xlsx.summary"))
    formats = {name: book.add_format({"num_format": code}) for name, code in FORMATS.items()}
    formats |= {"month": book.add_format({"num_format": "mmmm yyyy", "align": "left"})}
    formats |= {"title": book.add_format({"bold": True, "font_size": 16}), "head": book.add_format({"bold": True})}
    page.write_string(0, 0, words("title"), formats["title"])
    page.set_column(0, 0, 34)
    page.set_column(1, 3, 16)
    page.hide_gridlines(2)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    at = 1
    for account in answer(run, "accounts", choice).dicts():
        summary = _Account(book, page, run, choice.of(account["project_id"]), words, unbuilt, formats)
        page.write_string(at, 0, choice.title(account["account"]), formats["head"])
        page.write_string(at + 1, 0, words.as_of(account, built_at(run)))
        at = summary.write(at + 3, account["project_id"]) + 2


class _Account:
    """The part of the sheet that tells of one account."""

    def __init__(
        self, book: Any, page: Any, run: Run, choice: Choice, words: Words, unbuilt: Collection[str],
        formats: dict[str, Any],
    ) -> None:  # fmt: skip
        self.book, self.page, self.run, self.choice, self.words = book, page, run, choice, words
        self.unbuilt, self.formats = unbuilt, formats

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [] if missing(self.unbuilt, name) else answer(self.run, name, self.choice).dicts()

    def write(self, at: int, project: str) -> int:
        """Writes figures, months and managers one below the other, their charts beside. Returns the next free row."""
        first = at
        parts: dict[str, Callable[..., int]] = {"contents.figures": lambda at, _: self.figures(at, project)}
        parts |= {"money.title": self.months, "managers.title": self.managers, "funnel.title": self.stages}
        for place, (title, part) in enumerate(parts.items()):

            def instead(sentence: str, row: int = at) -> int:
                self.page.write_string(row, 0, sentence)
                return row + 1

            beside = first + ROWS_OF_CHART * max(place - 1, 0)
            at = 1 + made(self.words, self.words(title), partial(part, at, beside), instead)
        return max(at, first + 3 * ROWS_OF_CHART)

    def figures(self, at: int, project: str) -> int:
        if missing(self.unbuilt, "figures"):
            return at
        [year] = answer(self.run, "figures", self.choice).dicts()
        [month] = answer(self.run, "figures", self.choice.month_of(project)).dicts()
        days = self.choice.days[project]
        heads = ["", self.words.month(days.today.replace(day=1)), self.words("period.last12")]
        for column, text in enumerate(heads):
            self.page.write_string(at, column, text, self.formats["head"])
        for name in (*FIGURES, *OF_NOW):
            at += 1
            self.page.write_string(at, 0, self.words(f"column.{name}"))
            for column, row in enumerate((month,) if name in OF_NOW else (month, year), 1):
                if row[name] is not None:
                    self.page.write_number(at, column, float(row[name]), self.formats.get(METRICS[name].unit))
        return at + 1

    def table(self, at: int, title: str, heads: list[str], lines: list[list[Any]]) -> None:
        self.page.write_string(at, 0, title, self.formats["head"])
        for column, head in enumerate(heads, 1):
            self.page.write_string(at, column, head, self.formats["head"])
        for place, (name, *values) in enumerate(lines, at + 1):
            if isinstance(name, date):
                self.page.write_datetime(place, 0, name, self.formats["month"])
            else:
                self.page.write_string(place, 0, name)
            for column, value in enumerate(values, 1):
                if value is not None:
                    self.page.write_number(place, column, float(value), self.formats["money"])

    def chart(self, kind: str, at: int, title: str, last: int, first: int, series: list[tuple[int, str]]) -> Any:
        """Puts a chart of the rows from `first` to `last` beside them, at the row `at`. `series`: columns, colors."""
        found = self.book.add_chart({"type": kind})
        name = self.page.get_name()
        for column, color in series:
            found.add_series({
                "name": [name, first - 1, column], "categories": [name, first, 0, last, 0],
                "values": [name, first, column, last, column], "fill": {"color": color}, "gap": 60,
                "data_labels": {"value": True, "num_format": "#,##0"} if len(series) == 1 else {},
            })  # fmt: skip
        found.set_title({"name": title, "name_font": {"size": 12}})
        found.set_legend({"position": "bottom"} if len(series) > 1 else {"none": True})
        found.set_size(CHART)
        self.page.insert_chart(at, CHARTS_AT, found)
        return found

    def months(self, at: int, beside: int) -> int:
        plans: dict[date, Any] = {}
        for row in self.rows("plans"):
            plans[row["month"]] = plans.get(row["month"], 0) + row["plan"]
        sold = {row["month"]: row["won_budget"] for row in self.rows("money")}
        lines = [[month, sold.get(month, 0), plans.get(month)] for month in sorted({*sold, *plans})]
        if not lines:
            return at
        title, last = self.words("money.title"), at + len(lines)
        heads = [self.words("column.won_budget"), *([self.words("column.plan")] if plans else [])]
        self.table(at, title, heads, lines)
        columns = self.chart("column", beside, title, last, at + 1, [(1, ACCENT)])
        is_large = max(map(float, sold.values()), default=0) >= 2e6
        columns.set_y_axis({"num_format": self.words("xlsx.millions") if is_large else "#,##0"})
        columns.set_x_axis({"num_format": "mmm yy", "text_axis": True})
        if plans:
            name = self.page.get_name()
            line = self.book.add_chart({"type": "line"})
            line.add_series({
                "name": [name, at, 2], "categories": [name, at + 1, 0, last, 0], "values": [name, at + 1, 2, last, 2],
                "line": {"color": INK, "width": 2},
            })  # fmt: skip
            columns.combine(line)
            columns.set_legend({"position": "bottom"})
        return last + 1

    def managers(self, at: int, beside: int) -> int:
        marks = marks_of(self.run)
        rows = [row for row in self.rows("managers") if row["won"] or row["lost"]][:MANAGERS_SHOWN]
        lines = [[self.words.manager(row, marks) or self.words("user.nobody"), row["won_budget"]] for row in rows]
        return self.bars(at, beside, "managers", "column.won_budget", lines)

    def stages(self, at: int, beside: int) -> int:
        """The stages of the pipeline with the most deals."""
        rows = self.rows("funnel")
        most: dict[Any, int] = {}
        for row in rows:
            most[row["pipeline_id"]] = max(most.get(row["pipeline_id"], 0), row["deals"])
        first = max(most, key=lambda one: most[one], default=None)
        lines = [[row["stage"], row["reached"] or 0] for row in rows if row["pipeline_id"] == first]
        return self.bars(at, beside, "funnel", "column.reached", lines)

    def bars(self, at: int, beside: int, name: str, head: str, lines: list[list[Any]]) -> int:
        if not lines:
            return at
        title = self.words(f"{name}.title")
        self.table(at, title, [self.words(head)], lines)
        chart = self.chart("bar", beside, title, at + len(lines), at + 1, [(1, ACCENT)])
        chart.set_y_axis({"reverse": True})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}})
        return at + len(lines) + 1
