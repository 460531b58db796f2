"""Expected sentences of the report that have a number or a name, in English and Russian."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from math import floor
from typing import Any

from . import ahead
from . import page as oracle_page
from .deal_activity import ACTIVITY
from .known import amount
from .page import REASONS, Choice, middle, money, of_kind, ratio
from .totals import ended

SAID = {
    "lost": ("{count} lost", "проиграно: {count}"),
    "more": (
        "{name}: {value}, more than usual ({usual} in the same days).",
        "{name}: {value} — больше обычного (за те же дни — {usual}).",
    ),
    "less": (
        "{name}: {value}, less than usual ({usual} in the same days).",
        "{name}: {value} — меньше обычного (за те же дни — {usual}).",
    ),
    "live": (
        "In work: live {live} for {live_money}, to clean up {dead} for {dead_money}.",
        "В работе: живых {live} на {live_money}, пора почистить {dead} на {dead_money}.",
    ),
    "coverage": (
        "In work: live {live} for {live_money}, {share} of what the plan still lacks ({lack}); to clean up {dead} for "
        "{dead_money}.",
        "В работе: живых {live} на {live_money} — {share} того, чего не хватает до плана ({lack}); пора почистить "
        "{dead} на {dead_money}.",
    ),
    "untouched": (
        "New leads without a touch: {count}; the oldest has waited {waited}.",
        "Новых без касания: {count}, самая давняя — {waited}.",
    ),
    "short": (
        "Even the upper end of the forecast, {high}, is short of the plan by {lack}.",
        "Даже по верхней границе прогноза, {high}, до плана не хватит {lack}.",
    ),
    "of_plan": ("of {plan}", "из {plan}"),
    "of_plan_of_some": ("those who have one: {sold} of {plan}", "те, у кого есть план: {sold} из {plan}"),
    "days_left": ("working days left, with today: {days}", "ещё рабочих дней: {days}"),
    "day": (
        "{days}: leads {created}, won {won}, lost {lost}, sold for {money}",
        "{days}: заявок {created}, выиграно {won}, проиграно {lost}, продано на {money}",
    ),
    "week": (
        "Last week ({days}): leads {created}, won {won}, lost {lost}, sold for {money}",
        "Прошлая неделя ({days}): заявок {created}, выиграно {won}, проиграно {lost}, продано на {money}",
    ),
    "plan_met": ("The plan is met", "план выполнен"),
    "interval": ("{low} – {high}", "{low} – {high}"),
    "unforeseen": ("too little known", "мало данных"),
    "then": ("{money} in the same days before", "{money} за те же дни"),
    "month_compared": (
        "▲▼ Against as many days of work of the month before: {days}; today is not over yet",
        "▲▼ К стольким же рабочим дням прошлого месяца: {days}; сегодняшний день ещё не закончился",
    ),
    "no_plan": (
        "There is no plan: source-amocrm report --plans plans.csv adds one.",
        "Плана нет: его добавляет source-amocrm report --plans plans.csv.",
    ),
    "plan_of_deals": (
        "The plan is for all deals, so it is not shown with a filter.",
        "План задан на все сделки, поэтому с фильтром не показан.",
    ),
    "plan_of_pipelines": (
        "The plan is for all pipelines, so it is not shown for one.",
        "План задан на все воронки, поэтому для одной не показан.",
    ),
    "no_plan_of_who": ("{name}: no plan for this period.", "{name}: на этот период плана нет."),
    "forecast_of_all": (
        "The forecast is of everybody, so it is not shown for one manager or team.",
        "Прогноз общий, поэтому для менеджера или отдела не показан.",
    ),
    "forecast_of_deals": (
        "The forecast is of all deals, so it is not shown with a filter.",
        "Прогноз — по всем сделкам, поэтому с фильтром не показан.",
    ),
    "forecast_of_accounts": (
        "The intervals of several forecasts have no sum, so the forecast is shown for one account at a time.",
        "Интервалы нескольких прогнозов не складываются, поэтому прогноз показан только для одного аккаунта.",
    ),
    "no_forecast": (
        "There is no forecast: the moves of deals were not read, or there are none.",
        "Прогноза нет: переводы сделок не прочитаны, или их нет.",
    ),
    "no_plan_of_period": ("There is no plan for this period.", "На этот период плана нет."),
    "open": ("for {money}", "на {money}"),
    "live_figure": (
        "for {money}; to clean up: {dead} for {dead_money}",
        "на {money}; пора почистить {dead} на {dead_money}",
    ),
    "unchanged": ("as before", "без изменений"),
    "few": ("few deals: {count}", "мало сделок: {count}"),
    "few_before": ("few deals before: {count}", "раньше мало сделок: {count}"),
    "tenfold": ("over {share}", "больше {share}"),
    "points": ("{points} pp", "{points} п. п."),
    "compared": ("▲▼ {now} against {then}", "▲▼ {now} в сравнении с {then}"),
    "same_days": (
        "▲▼ {now} against the same days before: {then}; today is not over yet",
        "▲▼ {now} в сравнении с теми же днями до этого: {then}; сегодняшний день ещё не закончился",
    ),
    "today": (
        "New without a touch: {untouched}; without a task: {no_task}; slow: {slow}; clients without an answer: "
        "{waiting}; overdue tasks: {overdue_task}. "
        "The budgets of the open deals among them: {money}.",
        "Новых без касания: {untouched}; без задач: {no_task}; стоят долго: {slow}; клиентов без ответа: {waiting}; "
        "просроченных задач: "
        "{overdue_task}. Бюджет открытых сделок среди них — {money}.",
    ),
    "parts": (
        "Of the {expected} expected this month {sold} are sold. Open deals will bring {open}, and deals that do not "
        "exist yet {to_come}.",
        "Из ожидаемых в этом месяце {expected} продано {sold}. Открытые сделки принесут {open}, будущие — {to_come}.",
    ),
    "record": (
        "Of the last {count} months {inside} were within the interval. The forecast was off by {off} (median), “the "
        "same as last month” by {before}.",
        "Из {count} прошлых месяцев в интервал попали {inside}. Прогноз ошибался на {off} (медиана), «как в прошлом "
        "месяце» — на {before}.",
    ),
    "capped": (
        "Deals with a budget that is probably mistyped: {deals} ({names}). Each counts for at most {cap}.",
        "Сделок с бюджетом, похожим на опечатку: {deals} ({names}). Каждая учитывается не больше чем в {cap}.",
    ),
    "empty": ("Nobody waits.", "Никто не ждёт."),
    "nobody_known": (
        "Nobody waits, as far as the tables that were read tell.",
        "По прочитанным таблицам никто не ждёт.",
    ),
    "others": (
        "In the months of the plan, people without one sold for {others}; “of the plan” does not count that.",
        "За месяцы плана те, у кого плана нет, продали на {others}: в «от плана» это не входит.",
    ),
    "sold": ("Sold so far this month: {sold}.", "Продано с начала месяца: {sold}."),
    "pace": (
        "Sold so far this month: {sold}. Those who have a plan sold {share} of the {plan} that it asks for by today.",
        "Продано с начала месяца: {sold}. Те, у кого есть план, продали {share} от {plan}, нужных по нему к "
        "сегодняшнему дню.",
    ),
    "worst": (
        "The largest share is lost in “{stage}”: {lost} of {reached} ({share}).",
        "Наибольшая доля теряется на этапе «{stage}»: {lost} из {reached} ({share}).",
    ),
    "standing": (
        "More than half have not left “{stage}” yet: {still} of {stays} are there now ({share}).",
        "Больше половины ещё не ушли с этапа «{stage}»: там сейчас {still} из {stays} ({share}).",
    ),
    "slow": (
        "Slowest: “{stage}”, half leave it within {days} days.",
        "Дольше всего стоят на этапе «{stage}»: половина уходит за {days} дн.",
    ),
    "stale": ("{deals} stale deals for {money}.", "Забытых сделок: {deals}, на {money}."),
    "half": (
        "Half of the deals that a person has touched were touched within {minutes} of working time.",
        "С половиной сделок, до которых дошли руки, связались за {minutes} рабочего времени.",
    ),
    "talks": (
        "Half of those who were answered waited {minutes} minutes at most.",
        "Из тех, кому ответили, половине — за {minutes} мин.",
    ),
    "waiting": (
        "Clients without an answer now: {count}, whenever the conversation began.",
        "Клиентов без ответа сейчас: {count} — когда бы ни началась беседа.",
    ),
}
NAMED = {
    "won_budget": ("Sold for", "Продано на"), "created": ("Deals created", "Создано сделок"),
    "first_touch": ("First touch (calendar time)", "Первое касание (календарное время)"),
    "won": ("Won", "Выиграно"), "lost": ("Lost", "Проиграно"),
}  # fmt: skip
LANGUAGES = ("en", "ru")
SIGNS = {"RUB": "₽", "JPY": "¥"}
UNITS = (("", "K", "M", "B", "T"), ("", "\u00a0тыс.", "\u00a0млн", "\u00a0млрд", "\u00a0трлн"))
ENOUGH = 10
"""Least number of stays in a stage, or of deals that reached it, for a sentence that compares it."""
MONTHS = (
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ("янв.", "февр.", "мар.", "апр.", "мая", "июн.", "июл.", "авг.", "сент.", "окт.", "нояб.", "дек."),
)
WHOLE_MONTHS = (
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
     "December"),
    ("январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь",
     "декабрь"),
)  # fmt: skip
MONTHS_OF_DAYS = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
    "декабря",
)  # fmt: skip
"""The Russian names beside a day."""


def rounded(value: Any, digits: int) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, Context(prec=100))


class Wording:
    """Formats sentences and numbers in one language, as a browser does."""

    def __init__(self, language: str, currency: str | None) -> None:
        self.language = LANGUAGES.index(language)
        self.sign = SIGNS.get(currency or "", "")

    def __call__(self, key: str, **values: Any) -> str:
        return SAID[key][self.language].format(**values).replace("г..", "г.")

    def number(self, value: Any, digits: int = 2) -> str:
        text = f"{rounded(value, digits):,}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.translate({44: "\u00a0", 46: ","}) if self.language else text

    def money(self, value: Any) -> str:
        return self.signed(self.number(value, 0))

    def signed(self, text: str) -> str:
        return f"{text}\u00a0{self.sign}".rstrip("\u00a0") if self.language else self.sign + text

    def short(self, value: Any) -> str:
        """Formats an amount in thousands, millions, … with one decimal. Four digits are not grouped."""
        power = min(max(len(str(int(value))) - 1, 0) // 3, 4)
        if power < 4 and rounded(Decimal(value) / 1000**power, 1) >= 1000:
            power += 1
        size = rounded(Decimal(value) / 1000**power, 1)
        text = self.number(size, 1)
        text = text if size >= 10_000 else text.replace("\u00a0" if self.language else ",", "")
        return self.signed(text + UNITS[self.language][power])

    def percent(self, share: float | None) -> str:
        if share is None:
            return "–"
        text = "99" if 0.99 < share < 1 else self.number(100 * Decimal(repr(share)), 1 if abs(share) < 0.1 else 0)
        return text + ("\u00a0%" if self.language else "%")

    def day(self, value: date) -> str:
        month = MONTHS[self.language][value.month - 1]
        return f"{value.day} {month} {value.year} г." if self.language else f"{month} {value.day}, {value.year}"

    def month(self, value: date) -> str:
        name = WHOLE_MONTHS[self.language][value.month - 1]
        return f"{name} {value.year} г." if self.language else f"{name} {value.year}"

    def period(self, choice: Choice) -> str:
        is_one_day = choice.first == choice.last
        return self.day(choice.first) if is_one_day else f"{self.day(choice.first)} – {self.day(choice.last)}"

    def days_of_month(self, first: date, last: date) -> str:
        """Formats days of one month, without the year."""
        name = (MONTHS_OF_DAYS if self.language else WHOLE_MONTHS[0])[first.month - 1]
        if self.language:
            return f"{first.day}–{last.day} {name}" if first < last else f"{first.day} {name}"
        return f"{name} {first.day} – {last.day}" if first < last else f"{name} {first.day}"

    def minutes(self, value: float, in_days: bool = True) -> str:
        """Formats minutes in the largest unit of which there is one."""
        minute, hour, day = ("min", "hr", "day") if not self.language else ("мин", "ч", "дн.")
        space = "\u00a0"
        if value < 60:
            return self.number(value, 1 if value < 10 else 0) + space + minute
        if value >= 1440 and not in_days:
            return self.number(int(value / 60 + 0.5)) + space + hour
        if value >= 1440:
            shown = self.number(value / 1440, 1 if value < 14_400 else 0)
            return shown + space + day + ("s" if not self.language and shown != "1" else "")
        hours, rest = divmod(int(value), 60)
        return f"{hours}{space}{hour}" + (f" {rest}{space}{minute}" if rest else "")

    def days(self, value: float) -> str:
        return self.number(value, 1)


def sentences(choice: Choice, then: Choice | None, since: date, language: str, who: str = "") -> dict[str, list[str]]:
    """Returns the texts of the figures and the sentences of each section, in the page's order.

    `then`: the choice that is compared. `since`: the first day that the page holds. `who`: the name of the chosen
    manager or team.
    """
    say = Wording(language, choice.known[0].currency)
    return {
        "month": list(month(choice, since, who, say)), "figures": list(figures(choice, then, say)),
        "queue": list(queue(choice, say)),
        "today": list(today(choice, say)), "forecast": list(forecast(choice, say)),
        "funnel": list(funnel(choice, say)), "money": list(without_plan(choice, say)),
        "incoming": list(incoming(choice, say)),
        "stale": list(stale(choice, say)), "talks": list(talks(choice, say)),
    }  # fmt: skip


def figures(choice: Choice, then: Choice | None, say: Wording) -> Iterable[str]:
    """Yields each figure's value, change and line below. The last text names the period before."""
    now, was = oracle_page.figures(choice), oracle_page.figures(then) if then else {}
    cases, before = oracle_page.cases(choice), oracle_page.cases(then) if then else {}
    below = {
        "won": say("lost", count=say.number(len(of_kind(choice.closed(), "lost")))),
        "open": say("open", money=say.short(money(deal for _, deal in choice.open()))),
    }
    if "live" in now:
        dead = [row for row in oracle_page.stale_rows(choice) if row["is_dead"]]
        worth = money(deal for _, deal in choice.open()) - money(dead)
        below["live"] = say("live_figure", money=say.short(worth), dead=say.number(len(dead)),
                            dead_money=say.short(money(dead)))  # fmt: skip
    write = {"won_budget": say.money, "average": say.money, "rate": say.percent, "days_to_win": say.days}
    for name, value in now.items():
        is_large = name in ("won_budget", "average") and value is not None and value >= 1_000_000
        yield "–" if value is None else (say.short if is_large else write.get(name, say.number))(value)
        if name in oracle_page.AVERAGES and value is not None and cases[name] < oracle_page.FEW:
            yield say("few", count=cases[name])
        elif was.get(name) and value is not None and name not in ("open", "live"):
            told = oracle_page.is_comparable(name, cases[name], before[name])
            of_few = say("few_before", count=before[name])
            yield change(float(value), float(was[name]), name == "rate", say) if told else of_few
        if name in below:
            yield below[name]
    if then:
        goes_on = choice.last == oracle_page.day_of(choice)
        yield say("same_days" if goes_on else "compared", now=say.period(choice), then=say.period(then))


def month(choice: Choice, since: date, who: str, say: Wording) -> Iterable[str]:
    """Yields the lines of the first screen in its order.

    They stand below a figure, say what is unusual or why there is no plan, or name the days of the comparison.
    """
    today, whole, then = oracle_page.day_of(choice), oracle_page.whole_month(choice), oracle_page.same_days(choice, 1)
    has_then = then.first >= since
    shown, now = oracle_page.of_month(whole), oracle_page.of_month(replace(whole, last=today))
    was, cases = oracle_page.of_month(then) if has_then else {}, oracle_page.cases(whole)
    before = oracle_page.cases(then) if has_then else {}

    def compared(name: str) -> Iterable[str]:
        if name in oracle_page.AVERAGES and shown[name] is not None and cases[name] < oracle_page.FEW:
            yield say("few", count=cases[name])
        elif was.get(name) and now[name] is not None:
            is_like = oracle_page.is_comparable(name, cases[name], before[name])
            of_few = say("few_before", count=before[name])
            yield change(float(now[name]), float(was[name]), False, say) if is_like else of_few

    yield from compared("won_budget")
    if has_then:
        yield say("then", money=say.short(was["won_budget"]))
    figures, unusual = oracle_page.this_month(choice, since)
    _, plan = oracle_page.month_so_far(choice)
    if plan is not None:
        sold = oracle_page.sold_by_planned(choice)
        yield say("of_plan_of_some" if sold < shown["won_budget"] else "of_plan", plan=say.short(plan),
                  sold=say.short(sold))  # fmt: skip
        yield say("days_left", days=oracle_page.days_left(choice)) if figures["needed"] else say("plan_met")
    forecast = oracle_page.forecast_of_month(choice)
    if forecast and forecast["expected"] is None:
        yield say("unforeseen")
    elif forecast:
        yield say("interval", low=say.short(forecast["low"]), high=say.short(forecast["high"]))
    for name in ("created", "first_touch", "won", "lost"):
        yield from compared(name)
    yield from untouched(choice, say)
    high = forecast["high"] if forecast else None
    if plan is not None and high is not None and high < plan:
        yield say("short", high=say.short(high), lack=say.short(plan - Decimal(repr(float(high)))))
    lives = oracle_page.live(choice)
    if lives:
        live, worth, dead, of_dead = lives
        lack = max(plan - oracle_page.sold_by_planned(choice), Decimal(0)) if plan is not None else Decimal(0)
        yield say("coverage" if lack else "live", live=say.number(live), live_money=say.money(worth),
                  dead=say.number(dead), dead_money=say.money(of_dead), lack=say.money(lack),
                  share=say.percent(ratio(worth, lack)) if lack else "")  # fmt: skip
    for name, value, usual in unusual:
        write = {"won_budget": say.short, "first_touch": say.minutes}.get(name, say.number)
        yield say("more" if value > usual else "less", name=NAMED[name][say.language], value=write(value),
                  usual=write(usual))  # fmt: skip
    for kind, of in zip(("day", "week"), oracle_page.near(choice), strict=True):
        if of.first >= since:
            one = oracle_page.of_month(of)
            yield say(kind, days=say.period(of), created=say.number(one["created"]), won=say.number(one["won"]),
                      lost=say.number(one["lost"]), money=say.money(one["won_budget"]))  # fmt: skip
    if plan is None:
        yield without_plan_of_month(choice, since, who, say)
    if forecast is None:
        yield without_forecast_of_month(choice, say)
    if has_then:
        yield say("month_compared", days=say.days_of_month(then.first, then.last))


def queue(choice: Choice, say: Wording) -> Iterable[str]:
    """Yields that nobody waits; of accounts that lack a table which tells who does, that nobody is known to."""
    if not oracle_page.queue(choice):
        is_all_read = all(known.was_read(table) for known in choice.known for table in (*ACTIVITY, "talks"))
        yield say("empty" if is_all_read else "nobody_known")


def untouched(choice: Choice, say: Wording) -> Iterable[str]:
    waits = [
        row["working_minutes"]
        for known in choice.known
        for row in ahead.queue(known)
        if row["reason"] == "untouched" and choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    if waits and choice.deals is None:
        hours, minutes = divmod(max(waits), 60)
        short, long = ("мин.", "ч") if say.language else ("min", "h")
        waited = f"{say.number(hours)} {long}" if hours else f"{minutes} {short}"
        yield say("untouched", count=say.number(len(waits)), waited=waited)


def without_plan_of_month(choice: Choice, since: date, who: str, say: Wording) -> str:
    if not any(month >= f"{since:%Y-%m}" for known in choice.reported for month, _ in known.plans):
        return say("no_plan")
    if choice.deals is not None:
        return say("plan_of_deals")
    if choice.pipeline is not None:
        return say("plan_of_pipelines")
    return say("no_plan_of_who", name=who) if choice.users is not None else say("no_plan_of_period")


def without_forecast_of_month(choice: Choice, say: Wording) -> str:
    if choice.users is not None:
        return say("forecast_of_all")
    if choice.deals is not None:
        return say("forecast_of_deals")
    return say("forecast_of_accounts" if any(map(ahead.forecast, choice.known)) else "no_forecast")


def incoming(choice: Choice, say: Wording) -> Iterable[str]:
    """Yields the sentence about the working time until the first touch."""
    read = tuple(one for one in choice.known if all(map(one.was_read, ("calls", "messages"))))
    half = oracle_page.first_touch_working(replace(choice, known=read))
    if half is not None:
        yield say("half", minutes=say.minutes(half, in_days=False))


def change(now: float, was: float, is_share: bool, say: Wording) -> str:
    by = now - was if is_share else now / was - 1
    thousandths = floor(1000 * abs(by) + 0.5)
    if not thousandths:
        return say("unchanged")
    size = say("tenfold", share=say.percent(10.0)) if by > 10 else say.percent(abs(by))
    size = say("points", points=say.number(thousandths / 10)) if is_share else size
    return f"{'▼' if by < 0 else '▲'} {size}"


def today(choice: Choice, say: Wording) -> Iterable[str]:
    """Yields the sentence about open work. The money counts a deal once, even if it waits for several people."""
    rows = [
        (known, row)
        for known in choice.known
        for row in ahead.today(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    budgets = {(known.project, row["entity_type"], row["entity_id"]): amount(row["budget"]) for known, row in rows}
    waiting = {reason: oracle_page.count_of(choice, [row for _, row in rows], reason) for reason in REASONS}
    counts = {reason: "–" if count is None else say.number(count) for reason, count in waiting.items()}
    if rows:
        yield say("today", **counts, money=say.money(sum(budgets.values())))


def forecast(choice: Choice, say: Wording) -> Iterable[str]:
    for known in choice.known:
        rows = [row for row in ahead.forecast(known) if row["pipeline_id"] == choice.pipeline and row["expected"]]
        past = [row for row in rows if row["months_back"] and not row["months_ahead"]]
        is_told = len(past) < len([row for row in rows if not (row["months_back"] and row["months_ahead"])])
        for row in rows if is_told else ():
            if not row["months_back"] and not row["months_ahead"]:
                parts = {"expected": "expected", "sold": "sold_so_far", "open": "from_open", "to_come": "from_new"}
                yield say("parts", **{name: say.money(row[column]) for name, column in parts.items()})
        if past and is_told:
            off, naive = (
                middle([
                    float(abs(Decimal(repr(float(row[guess]))) - row["sold"]) / row["sold"])
                    for row in past
                    if row["sold"]
                ])
                for guess in ("expected", "sold_month_before")
            )  # fmt: skip
            inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
            yield say("record", count=len(past), inside=inside, off=say.percent(off), before=say.percent(naive))
        caps = [row["budget_cap"] for row in rows if not row["months_back"]]
        if caps and (capped := sorted(ahead.capped_deals(known), key=lambda row: (-row["budget"], row["deal_id"]))):
            names = ", ".join(row["name"] for row in capped[:3]) + ("…" if len(capped) > 3 else "")
            yield say("capped", cap=say.money(caps[0]), deals=len(capped), names=names)
    won, plan = oracle_page.month_so_far(choice)
    sold, by_now = money(deal for _, deal in won), oracle_page.planned_by(choice, oracle_page.day_of(choice))
    if plan is not None:
        share = say.percent(ratio(oracle_page.sold_by_planned(choice), by_now))
        yield say("pace", sold=say.money(sold), plan=say.money(by_now), share=share)
    elif won:
        yield say("sold", sold=say.money(sold))


def funnel(choice: Choice, say: Wording) -> Iterable[str]:
    for pipeline in oracle_page.funnel(choice):
        worst = max(
            (row for row in pipeline.rows if row[1] >= ENOUGH and row[4]),
            key=lambda row: (row[5], row[4]),
            default=None,
        )
        if worst:
            share = say.percent(ratio(worst[4], worst[1]))
            numbers = {"lost": say.number(worst[4]), "reached": say.number(worst[1])}
            yield say("worst", stage=worst[0], share=share, **numbers)
        often = [[*row, n] for row, n in zip(pipeline.rows, pipeline.stays, strict=True) if n >= ENOUGH]
        standing = [row for row in often if row[6] is None and row[7] > pipeline.deals / 20]
        slow = [row for row in often if row[6]]
        if standing:
            most = max(standing, key=lambda row: (row[7] / row[8], row[7]))
            share = say.percent(most[7] / most[8])
            yield say("standing", stage=most[0], still=say.number(most[7]), stays=say.number(most[8]), share=share)
        elif slow:
            most = max(slow, key=lambda row: row[6])
            yield say("slow", stage=most[0], days=say.days(most[6]))


def is_of_months(choice: Choice) -> bool:
    """Whether the period consists of months; the present one may be going on."""
    ends = choice.last >= oracle_page.day_of(choice) or (choice.last + timedelta(days=1)).day == 1
    return choice.first.day == 1 and ends


def without_plan(choice: Choice, say: Wording) -> Iterable[str]:
    """Yields the sales of people without a plan in the months in which somebody chosen has one."""
    if choice.pipeline is not None or choice.deals is not None or not is_of_months(choice):
        return
    planned = {
        (known.project, month, user)
        for known in choice.known
        for month, user in known.plans
        if f"{choice.first:%Y-%m}" <= month <= f"{min(choice.last, oracle_page.day_of(choice)):%Y-%m}"
        and choice.fits(None, user)
    }
    months = {month for _, month, _ in planned}
    others = [
        deal
        for known, deal in choice.closed()
        if deal["stage_kind"] == "won"
        and (end := ended(deal)) and f"{end:%Y-%m}" in months
        and (known.project, f"{end:%Y-%m}", deal["closer_id"]) not in planned
    ]  # fmt: skip
    if sold := money(others):
        yield say("others", others=say.money(sold))


def stale(choice: Choice, say: Wording) -> Iterable[str]:
    if rows := oracle_page.stale_rows(choice):
        yield say("stale", deals=say.number(len(rows)), money=say.money(money(rows)))


def talks(choice: Choice, say: Wording) -> Iterable[str]:
    found, waiting = oracle_page.talks(choice), oracle_page.waiting_talks(choice)
    _, minutes, *_ = oracle_page.answered([talk for _, talk in found])
    if minutes is not None:
        yield say("talks", minutes=say.number(minutes))
    if found or waiting:
        is_known = all(known.was_read("talks") for known in choice.known)
        yield say("waiting", count=say.number(len(waiting)) if is_known else "–")


__all__ = ["LANGUAGES", "sentences"]
