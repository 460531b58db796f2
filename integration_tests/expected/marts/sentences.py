"""The report's sentences with a number or a name, in English and Russian, as the accounts' own store tells them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from math import floor
from typing import Any

from . import ahead
from . import page as of_page
from .known import amount
from .page import REASONS, Choice, middle, money, of_kind, ratio

SAID = {
    "lost": ("{count} lost", "проиграно: {count}"),
    "open": ("for {money}", "на {money}"),
    "unchanged": ("as before", "без изменений"),
    "tenfold": ("over {share}", "больше {share}"),
    "points": ("{points} pp", "{points} п. п."),
    "beside_month": ("▲▼ against the month before.", "▲▼ — к предыдущему месяцу."),
    "beside_months": ("▲▼ against the {count} months before.", "▲▼ — к предыдущим {count} месяцам."),
    "beside_days": ("▲▼ against the {count} days before.", "▲▼ — к предыдущим {count} дням."),
    "month_goes_on": ("The present month is not over yet.", "Текущий месяц ещё не закончился."),
    "days_go_on": ("The period is not over yet.", "Период ещё не закончился."),
    "today": (
        "Without a task: {no_task}; slow: {slow}; clients without an answer: {waiting}; overdue tasks: {overdue_task}. "
        "The budgets of the open deals among them: {money}.",
        "Без задач: {no_task}; стоят долго: {slow}; клиентов без ответа: {waiting}; просроченных задач: "
        "{overdue_task}. Бюджет открытых сделок среди них — {money}.",
    ),
    "record": (
        "Of the last {count} months {inside} were within the interval. The forecast was off by {off} (median), “the "
        "same as last month” by {before}.",
        "Из {count} прошлых месяцев в интервал попали {inside}. Прогноз ошибался на {off} (медиана), «как в прошлом "
        "месяце» — на {before}.",
    ),
    "sold": ("Sold so far this month: {sold}.", "Продано с начала месяца: {sold}."),
    "pace": (
        "Sold so far this month: {sold}. Those who have a plan sold {share} of the {plan} that it asks for by today.",
        "Продано с начала месяца: {sold}. Те, у кого есть план, продали {share} от {plan}, нужных по нему к "
        "сегодняшнему дню.",
    ),
    "worst": (
        "Most are lost in “{stage}”: {lost} of {reached} ({share}).",
        "Больше всего теряется на этапе «{stage}»: {lost} из {reached} ({share}).",
    ),
    "standing": (
        "More than half have not left “{stage}” yet: {still} deals are there now.",
        "Больше половины ещё не ушли с этапа «{stage}»: сейчас там {still}.",
    ),
    "slow": (
        "Slowest: “{stage}”, half leave it within {days} days.",
        "Дольше всего стоят на этапе «{stage}»: половина уходит за {days} дн.",
    ),
    "stale": ("{deals} stale deals for {money}.", "Забытых сделок: {deals}, на {money}."),
    "talks": (
        "Half of those who were answered waited {minutes} minutes at most; {unanswered} wait for an answer now.",
        "Из тех, кому ответили, половине — за {minutes} мин.; сейчас ждут ответа: {unanswered}.",
    ),
}
LANGUAGES = ("en", "ru")
SIGNS = {"RUB": "₽", "JPY": "¥"}
UNITS = (("", "K", "M", "B", "T"), ("", "\u00a0тыс.", "\u00a0млн", "\u00a0млрд", "\u00a0трлн"))
ENOUGH = 5
"""The fewest stays in a stage for which a sentence tells how long they take."""


def rounded(value: Any, digits: int) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


class Tongue:
    """Sentences, and numbers as a browser writes them."""

    def __init__(self, language: str, currency: str | None) -> None:
        self.place = LANGUAGES.index(language)
        self.sign = SIGNS.get(currency or "", "")

    def __call__(self, key: str, **values: Any) -> str:
        return SAID[key][self.place].format(**values)

    def number(self, value: Any, digits: int = 2) -> str:
        text = f"{rounded(value, digits):,}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.translate({44: "\u00a0", 46: ","}) if self.place else text

    def money(self, value: Any) -> str:
        return self.signed(self.number(value, 0))

    def signed(self, text: str) -> str:
        return f"{text}\u00a0{self.sign}".rstrip("\u00a0") if self.place else self.sign + text

    def short(self, value: Any) -> str:
        """In thousands, millions, … with one decimal; four digits of them are not grouped."""
        place = min(max(len(str(int(value))) - 1, 0) // 3, 4)
        if place < 4 and rounded(Decimal(value) / 1000**place, 1) >= 1000:
            place += 1
        size = rounded(Decimal(value) / 1000**place, 1)
        text = self.number(size, 1)
        text = text if size >= 10_000 else text.replace("\u00a0" if self.place else ",", "")
        return self.signed(text + UNITS[self.place][place])

    def percent(self, share: float | None) -> str:
        if share is None:
            return "–"
        text = self.number(100 * Decimal(repr(share)), 1 if abs(share) < 0.1 else 0)
        return text + ("\u00a0%" if self.place else "%")

    def days(self, value: float) -> str:
        return self.number(value, 1 if value < 10 else 0)


def sentences(choice: Choice, then: Choice | None, language: str) -> dict[str, list[str]]:
    """The texts of the figures and the sentences of each section, in their order."""
    told = Tongue(language, choice.known[0].currency)
    return {
        "figures": list(figures(choice, then, told)), "today": list(today(choice, told)),
        "forecast": list(forecast(choice, told)), "funnel": list(funnel(choice, told)),
        "stale": list(stale(choice, told)), "talks": list(talks(choice, told)),
    }  # fmt: skip


def figures(choice: Choice, then: Choice | None, told: Tongue) -> Iterable[str]:
    """Texts of each figure: its value, its change and the line below it. The last text names the period before."""
    now, was = of_page.figures(choice), of_page.figures(then) if then else {}
    below = {
        "won": told("lost", count=told.number(len(of_kind(choice.closed(), "lost")))),
        "open": told("open", money=told.short(money(deal for _, deal in choice.open()))),
    }
    write = {"won_budget": told.money, "average": told.money, "rate": told.percent, "days_to_win": told.days}
    for name, value in now.items():
        is_large = name in ("won_budget", "average") and value is not None and value >= 1_000_000
        yield "–" if value is None else (told.short if is_large else write.get(name, told.number))(value)
        if was.get(name) and value is not None and name not in ("days_to_win", "open"):
            yield change(float(value), float(was[name]), name == "rate", told)
        if name in below:
            yield below[name]
    if then:
        months = of_page.whole_months(choice)
        days = (choice.last - choice.first).days + 1
        goes_on = choice.last == of_page.day_of(choice)
        yield " ".join([
            told("beside_days", count=days) if not months
            else told("beside_month") if months == 1 else told("beside_months", count=months),
            *([told("month_goes_on" if months else "days_go_on")] if goes_on else []),
        ])  # fmt: skip


def change(now: float, was: float, is_share: bool, told: Tongue) -> str:
    by = now - was if is_share else now / was - 1
    thousandths = floor(1000 * abs(by) + 0.5)
    if not thousandths:
        return told("unchanged")
    size = told("tenfold", share=told.percent(10.0)) if by > 10 else told.percent(abs(by))
    size = told("points", points=told.number(thousandths / 10)) if is_share else size
    return f"{'▼' if by < 0 else '▲'} {size}"


def today(choice: Choice, told: Tongue) -> Iterable[str]:
    """A deal that waits for several people is counted once in the money."""
    rows = [
        (known, row)
        for known in choice.known
        for row in ahead.today(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    budgets = {(known.project, row["entity_type"], row["entity_id"]): amount(row["budget"]) for known, row in rows}
    waiting = {reason: of_page.count_of(choice, [row for _, row in rows], reason) for reason in REASONS}
    counts = {reason: "–" if count is None else told.number(count) for reason, count in waiting.items()}
    if rows:
        yield told("today", **counts, money=told.money(sum(budgets.values())))


def forecast(choice: Choice, told: Tongue) -> Iterable[str]:
    for known in choice.known:
        rows = [row for row in ahead.forecast(known) if row["pipeline_id"] == choice.pipeline and row["expected"]]
        past = [row for row in rows if row["months_back"] and not row["months_ahead"]]
        if past and len(past) < len([row for row in rows if not (row["months_back"] and row["months_ahead"])]):
            off, naive = (
                middle([
                    float(abs(Decimal(repr(float(row[guess]))) - row["sold"]) / row["sold"])
                    for row in past
                    if row["sold"]
                ])
                for guess in ("expected", "sold_month_before")
            )  # fmt: skip
            inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
            yield told("record", count=len(past), inside=inside, off=told.percent(off), before=told.percent(naive))
    won, plan = of_page.month_so_far(choice)
    sold, by_now = money(deal for _, deal in won), of_page.planned_by(choice, of_page.day_of(choice))
    if plan is not None:
        share = told.percent(ratio(of_page.sold_by_planned(choice), by_now))
        yield told("pace", sold=told.money(sold), plan=told.money(by_now), share=share)
    elif won:
        yield told("sold", sold=told.money(sold))


def funnel(choice: Choice, told: Tongue) -> Iterable[str]:
    for pipeline in of_page.funnel(choice):
        worst = max(pipeline.rows, key=lambda row: row[4] or 0)
        if worst[4]:
            share = told.percent(ratio(worst[4], worst[1]))
            numbers = {"lost": told.number(worst[4]), "reached": told.number(worst[1])}
            yield told("worst", stage=worst[0], share=share, **numbers)
        often = [row for row, stays in zip(pipeline.rows, pipeline.stays, strict=True) if stays >= ENOUGH]
        standing = [row for row in often if row[6] is None and row[7] > pipeline.deals / 20]
        slow = [row for row in often if row[6]]
        if standing:
            most = max(standing, key=lambda row: row[7])
            yield told("standing", stage=most[0], still=told.number(most[7]))
        elif slow:
            most = max(slow, key=lambda row: row[6])
            yield told("slow", stage=most[0], days=told.days(most[6]))


def stale(choice: Choice, told: Tongue) -> Iterable[str]:
    if rows := of_page.stale_rows(choice):
        yield told("stale", deals=told.number(len(rows)), money=told.money(money(rows)))


def talks(choice: Choice, told: Tongue) -> Iterable[str]:
    _, minutes, unanswered, *_ = of_page.answered([talk for _, talk in of_page.talks(choice)])
    if minutes is not None:
        yield told("talks", minutes=told.number(minutes), unanswered=told.number(unanswered))


__all__ = ["LANGUAGES", "sentences"]
