"""The lists of custom fields, with every documented type of field."""

from __future__ import annotations

from ..account_data import AccountData
from ..store import Row

CHANNELS = ("Сайт", "Звонок", "Telegram", "Рекомендация", "Выставка")
PHONE_KINDS = ("WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER")
EMAIL_KINDS = ("WORK", "PRIV", "OTHER")
IM_KINDS = ("SKYPE", "JABBER", "TELEGRAM")
ENUMS: dict[str, tuple[str, ...]] = {
    "PHONE": PHONE_KINDS,
    "EMAIL": EMAIL_KINDS,
    "IM": IM_KINDS,
    "select": CHANNELS,
    "multiselect": ("Монтаж", "Доставка", "Гарантия", "Обучение"),
    "radiobutton": ("Да", "Нет", "Не знаю"),
    "category": ("Телефоны", "Ноутбуки", "Аксессуары"),
    "multitext": PHONE_KINDS,
}
EVERY_TYPE = (
    "text", "numeric", "checkbox", "select", "multiselect", "date", "url", "textarea", "radiobutton", "streetaddress",
    "smart_address", "birthday", "legal_entity", "date_time", "price", "category", "multitext", "items",
    "linked_entity", "tracking_data", "monetary", "chained_list", "file", "payer", "supplier", "org_legal_name",
)  # fmt: skip
OWN_NAMES = (
    "Направление", "Источник: откуда пришёл?", "Дата договора", "Объём (м³)", "№ 7", "!!!", "Бюджет",
    "Очень длинное название поля, которое никто не дочитает до конца", "Größe", "Щёткодержатель, ъ и ь",
    "delivery_date",
)  # fmt: skip
"""Names of the owner's custom fields. Several fields may have the same name."""
# (type, name, code) of each field, by the list of cards that has it
FIELDS: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    "leads": (
        ("text", "Город", None), ("numeric", "ID на сайте", None), ("checkbox", "Нужен договор", None),
        ("select", "Канал", None), ("multiselect", "Услуги", None), ("date", "Дата отгрузки", None),
        ("url", "Страница заявки", None), ("textarea", "Комментарий", None),
        ("radiobutton", "Был раньше", None), ("streetaddress", "Адрес доставки", None),
        ("smart_address", "Адрес объекта", None), ("birthday", "День рождения", None),
        ("legal_entity", "Юр. лицо", None), ("date_time", "Время замера", None),
        ("tracking_data", "utm_source", "UTM_SOURCE"), ("tracking_data", "utm_campaign", "UTM_CAMPAIGN"),
        ("monetary", "Предоплата", None), ("chained_list", "Склад и ячейка", None), ("file", "Договор", None),
    ),
    "contacts": (
        ("text", "Должность", "POSITION"), ("multitext", "Телефон", "PHONE"), ("multitext", "Email", "EMAIL"),
        ("multitext", "Мгн. сообщения", "IM"), ("text", "communication_id", None),
        ("birthday", "День рождения", None), ("checkbox", "Согласие на рассылку", None),
        ("smart_address", "Адрес", None), ("select", "Откуда узнал", None),
        ("text", "Обращение", "COMMUNICATION_IDS"),
    ),
    "companies": (
        ("multitext", "Телефон", "PHONE"), ("multitext", "Email", "EMAIL"), ("url", "Web", "WEB"),
        ("textarea", "Адрес", "ADDRESS"), ("legal_entity", "Реквизиты", None), ("numeric", "Сотрудников", None),
        ("org_legal_name", "Юридическое название", None),
    ),
    "customers": (("text", "Комментарий", None), ("date", "Дата договора", None), ("monetary", "Лимит", None),
        ("smart_address", "Адрес доставки", "ADDRESS")),
    "customers/segments": (("checkbox", "Особые цены", None), ("text", "Описание", None)),
    "regular": (("text", "Код", None), ("linked_entity", "Ответственный клиент", None), ("date", "С", None)),
    "products": (
        ("text", "Артикул", "SKU"), ("textarea", "Описание", "DESCRIPTION"), ("price", "Цена", "PRICE"),
        ("category", "Группа", "GROUP"), ("file", "Фото", None),
    ),
    "invoices": (
        ("select", "Статус", "BILL_STATUS"), ("payer", "Плательщик", "PAYER"),
        ("supplier", "Поставщик", "SUPPLIER"), ("items", "Товары", "ITEMS"), ("date_time", "Оплачен", None),
    ),
}  # fmt: skip


def add_fields(account: AccountData, kind: str, template: str, own: int = 0) -> None:
    """Adds the fields of one list: leads, …, customers/segments, catalogs/{id}. `own`: number of the owner's fields."""
    fields = [*FIELDS[template]]
    fields += [(EVERY_TYPE[n % len(EVERY_TYPE)], OWN_NAMES[n % len(OWN_NAMES)], None) for n in range(own)]
    account.fields[kind] = [_field(account, kind, number, *field) for number, field in enumerate(fields)]


def _field(account: AccountData, kind: str, number: int, field_type: str, name: str, code: str | None) -> Row:
    predefined = code is not None
    row: Row = {
        "id": account.next_id("fields"),
        "name": name,
        "type": field_type,
        "account_id": account.id,
        "code": code,
        "sort": 500 + number,
        "is_api_only": code in ("UTM_SOURCE", "UTM_CAMPAIGN"),
        "enums": _enums(account, ENUMS.get(code or "") or ENUMS.get(field_type)),
        "group_id": "statistic" if field_type == "tracking_data" else None,
        "required_statuses": _required(account, kind, number),
        "is_deletable": not predefined,
        "is_predefined": predefined,
        "entity_type": kind.split("/")[-1] if kind.startswith("customers") else kind.split("/")[0],
        "remind": None,
        "settings": None,
    }
    _vary(row, kind, number)
    return row


def _vary(row: Row, kind: str, number: int) -> None:
    """Changes the keys that differ by type, and those that amoCRM sometimes omits."""
    if row["type"] == "monetary":
        row["currency"] = "RUB"
    if row["type"] == "category":
        row["nested"], row["enums"] = _tree(row["enums"]), None
    if row["type"] == "tracking_data":
        row["tracking_callback"] = "function() { return this.utm; }" if number % 2 else ""
    if row["type"] == "birthday":
        row["remind"] = "week"
    if row["type"] == "linked_entity":
        row["search_in"] = "contacts_and_companies"
    if row["type"] == "chained_list":
        row["chained_lists"] = [
            {"title": "Склад", "catalog_id": 4_589, "parent_catalog_id": None},
            {"title": None, "catalog_id": 4_591, "parent_catalog_id": 4_589},
        ]
    if kind.startswith("catalogs/"):
        row["catalog_id"] = int(kind.partition("/")[2])
        row |= {"is_required": number == 0, "is_visible": number != 1, "settings": ["hide"] if number == 2 else None}
    if kind == "leads":
        row["is_computed"] = False
        row["hidden_statuses"] = row["required_statuses"] or []
        if number == 1:
            del row["is_predefined"]
            row["is_deletable"] = False
        if number == 2:
            row["is_predefined"] = None
            del row["is_deletable"]


def _tree(enums: list[Row]) -> list[Row]:
    """Makes a category's values a tree: the first is the parent of the others."""
    root = enums[0]["id"]
    return [
        {"id": e["id"], "parent_id": None if e["id"] == root else root, "value": e["value"], "sort": i}
        for i, e in enumerate(enums)
    ]


def _required(account: AccountData, kind: str, number: int) -> list[Row] | None:
    if kind != "leads" or number % 4 == 3:
        return None
    if number:
        return []
    pipeline = account.pipelines[0]
    return [{"status_id": pipeline["statuses"][2]["id"], "pipeline_id": pipeline["id"]}]


def _enums(account: AccountData, values: tuple[str, ...] | None) -> list[Row] | None:
    if values is None:
        return None
    rows = [{"id": account.next_id("enums"), "value": v, "sort": i * 2 + 2} for i, v in enumerate(values)]
    return [{**row, "code": "site"} if row["value"] == CHANNELS[0] else row for row in rows]
