"""Plays two years of a firm that sells ventilation: the account that `make demo` shows.

People work in office hours, and some clients pay on a Saturday. They answer most clients within minutes, do most of
their tasks, win some deals, lose others and forget a few; a fast answer wins more often. Each deal's life is a
generator: it yields the next moment at which something happens to the deal (unix seconds).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from . import writes
from .account import Account
from .clock import Clock, ManualClock
from .generate.extras import add_unsorted
from .generate.field_values import entry
from .store import Row
from .switches import Switches

HOUR, DAY = 3_600, 86_400
MONTHS = 24
SEASON = (0.7, 0.85, 1.0, 1.15, 1.3, 1.35, 1.15, 1.0, 0.95, 0.95, 0.9, 0.85)
"""Leads of a month of the year, in shares of an average month: people think of air before the summer."""
TREND = 1.6
"""How many times as many leads come at the end as at the beginning."""
OPENS, CLOSES = 9, 18
WEEKEND = 0.15
"""Leads of a day of the weekend, in shares of those of a weekday."""

Life = Iterator[float]


@dataclass(frozen=True)
class Seller:
    """How one person works. `answer`: median wait for the first answer (minutes of working time). `lost`: a factor of
    the share of lost deals. The others are shares: of leads by pipeline, of chats, of calls, of tasks."""

    pipelines: tuple[float, float, float]
    answer: float = 8
    ignored: float = 0.04
    missed: float = 0.1
    in_time: float = 0.9
    lost: float = 1.0


SELLERS = (
    Seller((0.02, 0.05, 1.0), answer=15, in_time=0.95, lost=0.8), Seller((0.05, 0.5, 0), lost=0.95),
    Seller((0.05, 0.5, 0), answer=20, in_time=0.8, lost=1.15), Seller((0.45, 0, 0), answer=5, in_time=0.95, lost=0.85),
    Seller((0.4, 0, 0), answer=110, ignored=0.3, missed=0.4, in_time=0.65, lost=1.2),
    Seller((0.35, 0, 0), answer=12, in_time=0.85),
)  # fmt: skip
"""The account's first six users, in their order."""
HEAD, TIRED, SLOW, LEFT = 0, 1, 4, 5
"""Places of their head, of the one who sold little last month, of the one who answers late, and of the one who left."""
LEFT_BEFORE, TIRED_LOSES = 240 * DAY, 8.0
PIPELINES = (0.66, 0.26, 0.08)
"""Shares of the leads of the first three pipelines; the fourth is an archive."""
DROPS = ((0.24, 0.26, 0.24, 0.14), (0.22, 0.24, 0.2, 0.08, 0.03), (0.3, 0.2))
"""Share of deals lost in each stage, by pipeline."""
SPAM, FORGOTTEN, REPEATED, BURIED = 0.07, 0.006, 0.22, 0.3
"""Shares: leads that are no leads, deals forgotten in a stage, leads of former clients, and of spam that is deleted."""
LATE_REASONS = (("Дорого", 30), ("Выбрали конкурента", 26), ("Не устроили сроки", 18), ("Пропала потребность", 20))
EARLY_REASONS = (("Не смогли выйти на контакт", 40), ("Пропала потребность", 25), ("Дорого", 20))
SPAM_REASONS = (("Спам", 60), ("Дубль", 40))
SOURCES = (
    ("Номер отдела продаж", 26, "call", "Звонок"), ("Лендинг", 20, "form", "Сайт"),
    ("Яндекс Директ", 22, "form", "Сайт"), ("Telegram", 14, "telegram", "Telegram"), ("Авито", 12, "avito", "Сайт"),
    ("WhatsApp", 6, "waba", "Звонок"),
)  # fmt: skip
"""Name, weight, way of the first contact, and value of the field «Канал»."""
WON_BY_SOURCE = {"Яндекс Директ": 1.08, "Авито": 1.2, "Номер отдела продаж": 0.9}
"""Factor of the losses of a source."""
FAST = ((5, 0.7), (15, 0.85), (60, 1.0), (240, 1.25))
"""Factor of the losses of a deal whose client was answered within so many minutes of working time; later, SLOWEST."""
SLOWEST = 1.45
SATURDAY = 0.08
"""Share of the won deals that are paid for on a Saturday."""
BACKLOG, OVERDUE, BACKLOG_DAYS = (14, 19), (3, 5), 30
"""How many tasks a person has put off (least, most), how many of them are overdue, and in how many days they came."""
UNTOUCHED = (170, 95, 40, 12)
"""How long ago the leads came that nobody has touched yet (minutes). No others came after the first of them."""
MISSED_BEFORE = 3 * HOUR
"""How long ago somebody called whom nobody has called back."""
UNSORTED = (31, 20, 7, 3)
"""How long ago the requests came that nobody has accepted yet (hours)."""
GOODS = (
    ("Приточная установка 500 м³/ч", 148_000), ("Приточно-вытяжная установка 1200 м³/ч", 342_000),
    ("Монтаж воздуховодов, этаж", 96_000), ("Сплит-система 3,5 кВт с монтажом", 64_900),
    ("Мульти-сплит на 4 комнаты", 238_000), ("Бризер с установкой", 38_500), ("Проект вентиляции", 55_000),
    ("Обслуживание, год", 42_000), ("Канальный вентилятор 315 мм", 27_400), ("Чиллер 60 кВт", 1_180_000),
    ("Пусконаладка", 34_000), ("Комплект автоматики", 71_000),
)  # fmt: skip
BASKETS = ((0, 3, 4, 5, 6, 8), (0, 1, 2, 8, 11, 9), (7, 10))
"""Places of the goods that a pipeline sells."""
SUBJECTS = (
    "Вентиляция кафе", "Вентиляция квартиры", "Кондиционеры в офис", "Климат в коттедж", "Вентиляция цеха",
    "Салон красоты", "Серверная", "Спортзал", "Стоматология", "Магазин", "Склад", "Гостиница", "Ресторан", "Пекарня",
)  # fmt: skip
FIRST = (
    "Анна",
    "Мария",
    "Елена",
    "Ольга",
    "Ирина",
    "Светлана",
    "Иван",
    "Алексей",
    "Дмитрий",
    "Сергей",
    "Михаил",
    "Артём",
)
WOMEN = 6
SURNAMES = (
    "Иванов", "Петров", "Кузнецов", "Соколов", "Попов", "Лебедев", "Козлов", "Новиков", "Морозов", "Волков", "Зайцев",
    "Павлов", "Семёнов", "Голубев", "Фёдоров", "Белов", "Орлов", "Макаров", "Никитин", "Захаров", "Гусев", "Ершов",
)  # fmt: skip
FORMS = ("ООО", "ООО", "ООО", "АО", "ИП")
FIRMS = (
    (
        "Строй",
        "Техно",
        "Сити",
        "Медиа",
        "Эко",
        "Пром",
        "Агро",
        "Транс",
        "Инвест",
        "Арт",
        "Дом",
        "Север",
        "Волга",
        "Урал",
    ),
    ("Вектор", "Альянс", "Сервис", "Проект", "Групп", "Лайн", "Маркет", "Гарант", "Плюс", "Капитал", "Стиль", "Ресурс"),
)
CITIES = ("Москва", "Москва", "Москва", "Химки", "Балашиха", "Подольск", "Мытищи", "Тула", "Тверь", "Калуга")
QUESTIONS = (
    "Здравствуйте! Сколько стоит вентиляция на 80 м²?", "Добрый день, делаете монтаж в области?",
    "Есть бризеры в наличии?", "Подскажите срок поставки", "Можно замер на этой неделе?",
    "Нужна смета на кондиционеры, 6 комнат",
)  # fmt: skip
ANSWERS = (
    "Добрый день! Пришлите план, посчитаем сегодня", "Здравствуйте! Да, выезд бесплатный",
    "Есть на складе, монтаж два дня", "Сейчас уточню у инженера и вернусь", "Смету пришлю до конца дня",
)  # fmt: skip
THANKS = ("Спасибо, жду", "Хорошо", "План отправил на почту", "А рассрочка есть?", "Подумаем и вернёмся")
CALL, MEETING, OFFER = 1, 2, 284_846
TASKS = (
    (CALL, "Позвонить: прочитали ли смету"), (CALL, "Напомнить об оплате"), (CALL, "Уточнить решение"),
    (CALL, "Перезвонить после праздников"), (MEETING, "Замер на объекте"), (MEETING, "Встреча с инженером заказчика"),
    (OFFER, "Отправить КП"), (OFFER, "Отправить КП со скидкой"),
)  # fmt: skip
"""Types of tasks, with texts that fit them."""
NOTES = (
    "Смета отправлена, ждут до пятницы",
    "Бюджет согласует финансовый директор",
    "Просят скидку 5 %",
    "Замер сделан",
)


class Office:
    """Working time of weekdays by the account's clock."""

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)

    def local(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, self.zone)

    def after(self, moment: float, minutes: float) -> float:
        """Returns the moment so many minutes of working time later, which is in working time."""
        at, left = self.local(moment), timedelta(minutes=minutes)
        while True:
            opens = at.replace(hour=OPENS, minute=0, second=0)
            closes = at.replace(
                hour=CLOSES - 1, minute=59, second=0
            )  # a minute before, for one act writes several rows
            if at.weekday() < 5 and at < closes:
                begins = max(at, opens)
                if left < closes - begins:
                    return (begins + left).timestamp()
                left -= closes - begins
            at = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0)

    def months_between(self, moment: float, later: float) -> int:
        a, b = self.local(moment), self.local(later)
        return 12 * (b.year - a.year) + b.month - a.month


def first_moment(now: float, timezone: str) -> float:
    """Returns when the played history begins (unix seconds)."""
    month = Office(timezone).local(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
    return month.timestamp()


def account(
    seed: int, leads: int, now: int, *, clock: Clock | None = None, switches: Switches | None = None,
    timezone: str = "Europe/Moscow",
) -> Account:  # fmt: skip
    """Makes an account with the history of about `leads` deals, up to `now` (unix seconds)."""
    start = int(first_moment(now, timezone))
    business = opened(seed, start, now, clock=clock, switches=switches, timezone=timezone)
    business.play(leads)
    return business.account


def opened(
    seed: int, start: int, now: int, *, clock: Clock | None = None, switches: Switches | None = None, timezone: str
) -> Business:
    """Makes a firm without deals, whose people `play` from `start` to `now`, or go on step by step with `until`."""
    made = Account.generate(seed, 0, start, clock=clock, switches=switches, timezone=timezone)
    _furnish(made)
    return Business(made, ManualClock(start), now, Random(seed))


def work(account: Account, count: int) -> list[str]:
    """Does some minutes' work in an account that `account` made. Returns a description of each of `count` writes."""
    return [line for _ in range(count) if (line := Business(account, account.clock, account.clock.now()).act())]


class Business:
    """The people at work. `now`: when the history ends (unix seconds). `clock`: the account's while they work."""

    def __init__(self, account: Account, clock: Clock, now: float, rng: Random | None = None) -> None:
        self.account, self.clock, self.now, self.rng = account, clock, now, rng or account.random
        self.office = Office(account.timezone)
        self.people = list(account.users)[: len(SELLERS)]
        self.clients: list[tuple[int, int | None]] = []  # contact and company of the deals that were won
        self.agenda: list[tuple[float, int, Life]] = []
        self.lives = 0
        self.done: list[Row] = []  # tasks, put aside while playing: a new task looks through all tasks of the account
        self.waits: dict[int, float] = {}  # by deal: minutes of working time until the client was answered
        self.goods = [element["id"] for element in account.elements[account.catalogs[1]["id"]]]

    def play(self, leads: int) -> None:
        kept, self.account.clock = self.account.clock, self.clock
        self.open(leads)
        self.until(self.now)
        add_unsorted(self.account, self.rng, self.people, [int(self.now - hours * HOUR) for hours in UNSORTED])
        self.account.clock = kept

    def open(self, leads: int) -> None:
        """Puts on the agenda what comes by itself until `now`."""
        start = self.clock.time()
        self.begin(start, self.arrivals(leads, start))
        self.begin(self.office.after(self.now - LEFT_BEFORE, 0), self.leaving())
        self.begin(self.now - MISSED_BEFORE, self.missed_call())
        for minutes in UNTOUCHED:
            self.begin(self.now - 60 * minutes, self.untouched())
        for user in self.people[:LEFT]:
            self.begin(self.office.after(self.now - BACKLOG_DAYS * DAY, 0), self.backlog(user))

    def until(self, moment: float) -> None:
        """Does everything that is due before a moment (unix seconds)."""
        clock = self.clock
        assert isinstance(clock, ManualClock)
        while self.agenda and self.agenda[0][0] < moment:
            due, _, life = heapq.heappop(self.agenda)
            clock.set(max(due, clock.time()))
            following = next(life, None)
            if following is not None:
                self.begin(following, life)
        self.account.tables["tasks"].load((task["id"], task) for task in self.done)
        self.done.clear()

    def begin(self, moment: float, life: Life) -> None:
        self.lives += 1
        heapq.heappush(self.agenda, (moment, self.lives, life))

    def act(self) -> str:
        """Does one thing: answers a new lead, moves or closes a deal, does a task or writes a note."""
        account, rng = self.account, self.rng
        tasks = [task for task in account.tables["tasks"] if not task["is_completed"]]
        what = rng.choices(("lead", "move", "lose", "task", "note"), (5, 7, 3, 6, 4))[0]
        if what == "lead":
            next(self.deal())
            return what
        if what == "task" and tasks:
            task = rng.choice(tasks)
            writes.complete_task(account, task["id"], "Договорились", by=task["responsible_user_id"])
            return what
        # the statuses of closed deals are the same in every pipeline
        deals = [deal["id"] for deal in account.tables["leads"] if deal["status_id"] not in writes.CLOSED]
        if not deals:
            return ""
        deal = rng.choice(deals)
        row = account.row("leads", deal)
        stages = [stage["id"] for stage in account.pipeline(row["pipeline_id"])["statuses"]]
        if what == "lose":
            self.lose(deal, LATE_REASONS)
        elif what == "move":
            following = stages[stages.index(row["status_id"]) + 1]
            writes.move_status(account, deal, following, by=row["responsible_user_id"])
            if not row["price"] and following != stages[1]:
                self.calculate(deal, account.pipelines.index(account.pipeline(row["pipeline_id"])))
        else:
            writes.add_note(account, "leads", deal, rng.choice(NOTES), by=row["responsible_user_id"])
            what = "note"
        return what

    def arrivals(self, leads: int, start: float) -> Life:
        """Begins the lives of the leads of each day."""
        days = int((self.now - start) / DAY) + 1
        shares = [self.share_of(start + n * DAY, n / days) for n in range(days)]
        for number, share in enumerate(shares):
            day = start + number * DAY
            for _ in range(int(leads * share / sum(shares) + self.rng.random())):
                moment = day + (9 + 4.75 * (self.rng.random() + self.rng.random())) * HOUR
                if moment < self.now - 60 * UNTOUCHED[0] or number < days - 2:
                    self.begin(moment, self.deal())
            yield day + DAY

    def share_of(self, day: float, passed: float) -> float:
        """Returns how many leads come on a day, in shares of an average weekday's. `passed`: share of the history."""
        local = self.office.local(day + DAY / 2)
        trend = 1 + (TREND - 1) * passed
        return trend * SEASON[local.month - 1] * (1 if local.weekday() < 5 else WEEKEND)

    def leaving(self) -> Life:
        """One seller leaves: the others take over the open deals."""
        for lead in list(self.account.tables["leads"]):
            if lead["responsible_user_id"] == self.people[LEFT] and lead["status_id"] not in writes.CLOSED:
                heir = self.people[self.rng.choice((3, SLOW))]
                writes.edit(self.account, "leads", lead["id"], responsible_user_id=heir, by=self.people[HEAD])
        yield from ()

    def missed_call(self) -> Life:
        """A client calls about an open deal of the one who answers late, and nobody calls back."""
        user, before = self.people[SLOW], self.now - 5 * DAY  # nobody is about to call a deal that is older
        leads = self.account.tables["leads"]
        own = (lead for lead in leads if lead["responsible_user_id"] == user and lead["created_at"] < before)
        if still_open := [lead["id"] for lead in own if lead["status_id"] not in writes.CLOSED]:
            self.call(max(still_open), "call_in", 0, by=0)
        yield from ()

    def untouched(self) -> Life:
        """A lead comes that nobody has looked at yet."""
        self.lead()
        yield from ()

    def backlog(self, user: int) -> Life:
        """Tasks that a person has put off: of deals, or of former clients if no deal is open."""
        rng, account, office = self.rng, self.account, self.office
        begins = self.clock.time()
        count, overdue = rng.randint(*BACKLOG), rng.randint(*OVERDUE)
        # the last day is left out, for a task needs a day to be overdue
        moments = sorted(rng.uniform(begins, self.now - DAY) for _ in range(count))
        late = set(rng.sample(range(count), overdue))
        for number, moment in enumerate(moments):
            yield office.after(moment, 0)
            since = self.clock.time()
            due = rng.uniform(since, self.now) if number in late else self.now + rng.uniform(0.05, 30) * DAY
            own = [
                row["id"] for row in account.tables["leads"]
                if row["responsible_user_id"] == user and row["status_id"] not in writes.CLOSED
                and row["created_at"] > since - 60 * DAY
            ]  # fmt: skip
            if not own and not self.clients:
                continue  # nobody to put a task off for
            card = ("leads", rng.choice(own)) if own else ("contacts", rng.choice(self.clients)[0])
            kind, text = rng.choice(TASKS)
            due = office.after(due, 0) if number not in late else min(office.after(due, 0), self.now - HOUR)
            writes.add_task(
                account, *card, by=user, responsible_user_id=user, text=text, task_type_id=kind, complete_till=int(due)
            )

    # one deal

    def lead(self) -> tuple[int, int, tuple[str, int, str, str], int]:
        """A lead comes. Returns the deal, its contact, its source and the place of its pipeline."""
        rng, account = self.rng, self.account
        place = rng.choices(range(3), PIPELINES)[0]
        pipeline = account.pipelines[place]
        user = self.people[rng.choices(range(len(SELLERS)), self.shares(place))[0]]
        source = rng.choices(SOURCES, [weight for _, weight, _, _ in SOURCES])[0]
        # what comes by itself or at night is written by a robot
        by = user if source[2] == "call" and self.is_open() else 0
        contact, company, name = self.client(user, by)
        fields = {field["name"]: field for field in account.fields["leads"]}
        [channel] = [enum for enum in fields["Канал"]["enums"] if enum["value"] == source[3]]
        filled = [
            entry(fields["Город"], [{"value": rng.choice(CITIES)}]),
            entry(
                fields["Канал"],
                [{"value": channel["value"], "enum_id": channel["id"], "enum_code": channel.get("code")}],
            ),
        ]
        if source[0] == "Яндекс Директ":
            filled.append(entry(fields["utm_source"], [{"value": "yandex"}]))
        [source_id] = [row["id"] for row in account.sources if row["name"] == source[0]]
        deal = writes.create_lead(
            account, by=by, name=f"{rng.choice(SUBJECTS)} — {name}",
            pipeline_id=pipeline["id"], status_id=pipeline["statuses"][1]["id"], responsible_user_id=user,
            source_id=source_id, custom_fields_values=filled,
        )  # fmt: skip
        self.join("leads", deal, contact, company)
        return deal, contact, source, place

    def deal(self) -> Life:
        """A lead comes, is answered, goes through the stages of its pipeline, and is won, lost or forgotten."""
        rng, account = self.rng, self.account
        deal, contact, source, place = self.lead()
        company = next(iter(account.links.of("leads", deal, "companies")), None)
        yield from self.first_contact(deal, contact, source[2])
        if rng.random() < SPAM:
            yield self.office.after(self.clock.time(), 60 * rng.random())
            self.lose(deal, SPAM_REASONS)
            if rng.random() < BURIED:
                writes.trash(account, "leads", deal, by=self.user_of(deal))
            return
        stages = account.pipelines[place]["statuses"][1:-2]
        for number, stage in enumerate(stages):
            if number:
                writes.move_status(account, deal, stage["id"], by=self.user_of(deal))
            if number == 1:
                self.calculate(deal, place)
            if rng.random() < FORGOTTEN:
                return
            yield from self.follow_up(deal)
            if rng.random() < DROPS[place][number] * self.lost_factor(deal, source[0]):
                yield self.office.after(self.clock.time(), rng.randrange(60, 3 * 540))
                self.lose(deal, LATE_REASONS if number else EARLY_REASONS)
                return
        yield self.closing()
        writes.win(account, deal, by=self.user_of(deal))
        self.clients.append((contact, company))
        if rng.random() < 0.3:
            self.begin(self.clock.time(), self.purchases(contact, company, deal))

    def shares(self, place: int) -> list[float]:
        """Returns each seller's share of the leads of a pipeline; who has left takes none."""
        has_left = self.clock.time() >= self.now - LEFT_BEFORE
        return [0 if n == LEFT and has_left else seller.pipelines[place] for n, seller in enumerate(SELLERS)]

    def user_of(self, deal: int) -> int:
        return int(self.account.row("leads", deal)["responsible_user_id"])

    def seller_of(self, deal: int) -> Seller:
        return SELLERS[self.people.index(self.user_of(deal))]

    def lost_factor(self, deal: int, source: str) -> float:
        """Who is tired loses more in the month before the present one."""
        is_tired = self.user_of(deal) == self.people[TIRED]
        tired = TIRED_LOSES if is_tired and self.office.months_between(self.clock.time(), self.now) == 1 else 1
        wait = self.waits.get(deal, 0)
        fast = next((factor for minutes, factor in FAST if wait <= minutes), SLOWEST)
        return self.seller_of(deal).lost * WON_BY_SOURCE.get(source, 1) * tired * fast

    def client(self, user: int, by: int) -> tuple[int, int | None, str]:
        """Returns contact, company and name of a former client or a new one."""
        rng, account = self.rng, self.account
        if self.clients and rng.random() < REPEATED:
            contact, company = rng.choice(self.clients)
        else:
            place = rng.randrange(len(FIRST))
            first, last = FIRST[place], rng.choice(SURNAMES) + ("а" if place < WOMEN else "")
            [phone] = [field for field in account.fields["contacts"] if field["code"] == "PHONE"]
            values = [
                {"value": f"+7916{rng.randrange(10**7):07d}", "enum_id": phone["enums"][0]["id"], "enum_code": "WORK"}
            ]
            company = None
            if rng.random() < 0.45:
                firm = "".join((rng.choice(FIRMS[0]), rng.choice(FIRMS[1]).lower()))
                company = writes.create_company(
                    account, by=by, responsible_user_id=user, name=f"{rng.choice(FORMS)} «{firm}»"
                )
            contact = writes.create_contact(
                account, by=by, responsible_user_id=user, name=f"{first} {last}", first_name=first,
                last_name=last, custom_fields_values=[entry(phone, values)],
            )  # fmt: skip
            if company is not None:
                account.links.add("contacts", contact, "companies", company)
        kind, row_id = ("contacts", contact) if company is None else ("companies", company)
        return contact, company, str(account.row(kind, row_id)["name"])

    def join(self, kind: str, row_id: int, contact: int, company: int | None) -> None:
        """Links a new card as it is made, which writes no events of links."""
        links = self.account.links
        links.add(kind, row_id, "contacts", contact)
        links.main[kind, row_id] = contact
        if company is not None:
            links.add(kind, row_id, "companies", company)

    def first_contact(self, deal: int, contact: int, way: str) -> Life:
        rng, seller = self.rng, self.seller_of(deal)
        wait = seller.answer * rng.lognormvariate(0, 0.8)
        self.waits[deal] = wait
        if way == "call":
            is_missed = rng.random() < seller.missed or not self.is_open()
            self.call(deal, "call_in", 0 if is_missed else rng.randrange(40, 600), by=0)
            wait *= 3 if is_missed else 1
            self.waits[deal] = wait
            # who has talked calls again as soon as the price is known
            yield self.office.after(self.clock.time(), wait)
            self.call(deal, "call_out", rng.randrange(30, 600))
        elif way == "form":
            yield self.office.after(self.clock.time(), wait)
            self.call(deal, "call_out", rng.randrange(30, 600))
        else:
            yield from self.conversation(deal, contact, way, wait)

    def is_open(self) -> bool:
        now = self.clock.time()
        return self.office.after(now, 0) - now < 1

    def conversation(self, deal: int, contact: int, origin: str, wait: float) -> Life:
        """A client writes, and the seller answers unless the chat is overlooked. Days later the talk is closed."""
        rng, account = self.rng, self.account
        talk = _new_talk(account, deal, contact, origin)
        writes.chat(account, talk, rng.choice(QUESTIONS))
        if rng.random() < 0.4:
            writes.chat(account, talk, "Здравствуйте! Мы получили сообщение и скоро ответим.", by=0)
        if rng.random() < self.seller_of(deal).ignored:
            self.begin(self.clock.time() + 25 * DAY, self.close(talk))
        else:
            yield self.office.after(self.clock.time(), wait)
            writes.chat(account, talk, rng.choice(ANSWERS), by=self.user_of(deal))
            for _ in range(rng.randrange(3)):
                yield self.clock.time() + rng.randrange(60, 2 * HOUR)
                writes.chat(account, talk, rng.choice(THANKS))
                yield self.office.after(self.clock.time(), wait * rng.random())
                writes.chat(account, talk, rng.choice(ANSWERS), by=self.user_of(deal))
            self.begin(self.clock.time() + 5 * DAY, self.close(talk))

    def close(self, talk: Row) -> Life:
        talk.update(status="closed", is_in_work=False, updated_at=self.clock.now())
        yield from ()

    def call(self, deal: int, note_type: str, duration: int, by: int | None = None) -> None:
        user = self.user_of(deal)
        params = {
            "uniq": f"{self.rng.getrandbits(64):016x}", "duration": duration, "source": "onlinePBX",
            "link": "https://example.com/rec.mp3" if duration else None, "phone": "+79160000000", "call_result": "",
            "call_status": 4 if duration else 6, "call_responsible": user,
        }  # fmt: skip
        writes.add_note(self.account, "leads", deal, note_type=note_type, params=params, by=user if by is None else by)

    def calculate(self, deal: int, place: int) -> None:
        """Puts goods into the deal, and their price into its budget."""
        rng, catalog = self.rng, self.account.catalogs[1]["id"]
        *usual, large = BASKETS[place]
        bought = {
            chosen: rng.choice((1, 1, 1, 2, 3) if place != 1 else (1, 2, 2, 3))
            for chosen in rng.sample(usual, min(1 + rng.randrange(3), len(usual)))
        }
        if rng.random() < 0.06:
            bought[large] = 1
        budget = sum(GOODS[chosen][1] * quantity for chosen, quantity in bought.items())
        self.account.links.elements["leads", deal] = tuple(
            {"id": self.goods[chosen], "metadata": {"quantity": quantity, "catalog_id": catalog, "price_id": None}}
            for chosen, quantity in bought.items()
        )
        writes.edit(self.account, "leads", deal, price=round(budget * rng.uniform(0.93, 1), -2), by=self.user_of(deal))
        if budget > 900_000:
            writes.tag(self.account, "leads", deal, "VIP", by=self.user_of(deal))

    def follow_up(self, deal: int) -> Life:
        """One or two tasks, one after the other: most are done in time, by a call, a message or a note."""
        rng, account, office = self.rng, self.account, self.office
        for _ in range(rng.choice((1, 1, 2))):
            yield office.after(self.clock.time(), rng.randrange(2, 40))
            length = rng.randrange(200, 5 * 540)
            due = office.after(self.clock.time(), length)
            kind, text = rng.choice(TASKS)
            user, in_time = self.user_of(deal), rng.random() < self.seller_of(deal).in_time
            task = writes.add_task(
                account, "leads", deal, by=user, responsible_user_id=user, text=text, task_type_id=kind,
                complete_till=int(due),
            )  # fmt: skip
            done = office.after(self.clock.time(), rng.uniform(0.3, 0.98) * length)
            yield min(done, due) if in_time else office.after(due, rng.randrange(60, 4 * 540))
            what = rng.random()
            if what < 0.6:
                self.call(deal, "call_out", rng.choice((0, *(rng.randrange(30, 700) for _ in range(4)))))
            elif what < 0.8:
                writes.add_note(account, "leads", deal, rng.choice(NOTES), by=self.user_of(deal))
            writes.complete_task(
                account, task, rng.choice((*[None] * 3, "Договорились", "Ждём решения")), by=self.user_of(deal)
            )
            self.done.append(account.tables["tasks"].remove(task))

    def closing(self) -> float:
        """Returns when a deal is paid for: after a few days, many on the last working days of a month."""
        moment = self.office.after(self.clock.time(), self.rng.randrange(120, 4 * 540))
        if self.rng.random() < SATURDAY:
            local = self.office.local(moment)
            saturday = local + timedelta(days=5 - local.weekday())
            return saturday.replace(hour=10, minute=0, second=0).timestamp() + self.rng.uniform(0, 3.9) * HOUR
        if self.rng.random() < 0.35:
            local = self.office.local(moment)
            end = (local.replace(day=1) + timedelta(days=32)).replace(day=1, hour=OPENS, minute=0, second=0)
            rush = self.office.after((end - timedelta(days=4)).timestamp(), self.rng.randrange(2 * 540))
            return rush if moment < rush < end.timestamp() else moment
        return moment

    def lose(self, deal: int, reasons: tuple[tuple[str, int], ...]) -> None:
        chosen = self.rng.choices([name for name, _ in reasons], [weight for _, weight in reasons])[0]
        [reason] = [row["id"] for row in self.account.loss_reasons if row["name"] == chosen]
        given = reason if self.rng.random() < 0.95 else None
        writes.lose(self.account, deal, given, by=self.user_of(deal))

    def purchases(self, contact: int, company: int | None, deal: int) -> Life:
        """A client becomes a customer, who buys service twice a year."""
        account, user = self.account, self.user_of(deal)
        customer = writes.create_customer(
            account, by=user, responsible_user_id=user, next_price=GOODS[7][1],
            next_date=int(self.clock.time() + 180 * DAY), name=account.row("contacts", contact)["name"],
        )  # fmt: skip
        self.join("customers", customer, contact, company)
        price = float(account.row("leads", deal)["price"] or 0)
        while True:
            _buy(account, customer, price, user)
            price = GOODS[7][1]
            yield self.office.after(self.clock.time() + self.rng.randrange(150, 220) * DAY, 60)


def _furnish(account: Account) -> None:
    """Gives the account its firm's goods, sources and departments instead of the generated ones."""
    account.name = "ООО «Северный ветер»"
    account.groups[0]["name"], account.groups[2]["name"] = "Дирекция", "Розница"
    first = account.sources[0]
    account.sources = [
        {**first, "id": 9_619 + n, "name": name, "pipeline_id": account.pipelines[0]["id"], "default": n == 0,
         "external_id": f"source-{n}", "origin_code": None if n == 0 else f"amo.ext.30490163_v{n}"}
        for n, (name, _, _, _) in enumerate(SOURCES)
    ]  # fmt: skip
    catalog = account.catalogs[1]["id"]
    fields = {field["code"]: field for field in account.fields[f"catalogs/{catalog}"]}
    for number, (row, (name, price)) in enumerate(zip(list(account.elements[catalog]), GOODS, strict=False)):
        filled = [
            entry(fields["SKU"], [{"value": f"SV-{number + 1:03}"}]),
            entry(fields["PRICE"], [{"value": str(price)}]),
        ]
        account.elements[catalog].put(row["id"], {**row, "name": name, "custom_fields_values": filled})


def _new_talk(account: Account, deal: int, contact: int, origin: str) -> Row:
    at = account.clock.now()
    talk: Row = {
        "talk_id": len(account.talks) + 1, "created_at": at, "updated_at": at, "rate": 0, "contact_id": contact,
        "chat_id": f"{account.random.getrandbits(64):016x}", "entity_id": deal, "entity_type": "lead",
        "status": "in_work", "is_in_work": True, "is_read": True, "origin": origin, "source_id": None,
        "missed_at": None, "account_id": account.id,
    }  # fmt: skip
    account.talks.append(talk)
    return talk


def _buy(account: Account, customer: int, price: float, user: int) -> None:
    at, row_id = account.clock.now(), account.next_id("transactions")
    account.tables["transactions"].put(row_id, {
        "id": row_id, "price": price, "comment": None, "completed_at": at, "customer_id": customer, "created_by": user,
        "updated_by": user, "created_at": at, "updated_at": at, "is_deleted": False, "account_id": account.id,
        "catalog_elements": [],
    })  # fmt: skip
    mine = [row["price"] for row in account.tables["transactions"] if row["customer_id"] == customer]
    account.tables["customers"].put(customer, {
        **account.row("customers", customer), "ltv": int(sum(mine)), "purchases_count": len(mine),
        "average_check": int(sum(mine) / len(mine)), "updated_at": at,
    })  # fmt: skip
