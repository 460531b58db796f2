"""Replaces the personal data of each response as soon as it is parsed (option `personal_data`).

No row, lookup, log line or error that is made of the response later can show the replaced data.
The tables' schemas say where personal data stands (`x-personal`). Numbers, dates and ids stay, because the engine and
the joins need them. A text in a field that no column holds, or inside a column of JSON in a field that its schema does
not name, counts as personal.

A text becomes null, or a keyed hash: HMAC-SHA256 of the normalized value, in hexadecimal digits. Equal phones and equal
addresses have equal hashes however they were typed, so that joins and searches for duplicates work.
"""

from __future__ import annotations

import difflib
import hmac
import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache

from airbyte_cdk.models import FailureType

from source_amocrm.account import Account
from source_amocrm.account.event_kinds import FIELD
from source_amocrm.config import Config
from source_amocrm.config.settings import KEEP
from source_amocrm.errors import AmocrmError, ConfigError
from source_amocrm.secrecy import add_to_secrets
from source_amocrm.streams import STREAMS, known_fields, schema
from source_amocrm.streams.chats import TALKS
from source_amocrm.streams.custom_fields import FIELD_TYPES, CustomFields
from source_amocrm.streams.known_fields import ANY, GOES, NUMBER, OF_RULE, STAYS, KnownField
from source_amocrm.streams.values import MAX_DEPTH, Json, Row, as_list
from source_amocrm.walk.listing import numeric_id

PHONE, EMAIL = "phone", "email"
"""The kinds of values with a normalization of their own, which a value of ANY kind has, too, if it looks like one."""

_NO_DIGITS = re.compile(r"[^0-9]")
RUSSIAN_PHONE = re.compile(r"8([0-9]{10})")
"""+7 and 8 are one country code in Russia and Kazakhstan. The marts' macro `same_phone` is generated from this."""
_LIKE_PHONE = re.compile(r"[+\s]*(?:[0-9][\s().+/-]*|\(\s*){10,24}", re.ASCII)
_PHONE_DIGITS = range(10, 16)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_LIKE_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")

_PERSONAL_TYPES = """
    multitext birthday streetaddress smart_address legal_entity linked_entity file payer supplier org_legal_name
"""
IMPERSONAL = FIELD_TYPES - frozenset(_PERSONAL_TYPES.split())
"""The types of custom fields whose values are not personal. The values of an unknown type are."""
NUMBERS = frozenset(("numeric", "price", "monetary", "checkbox", "date", "date_time", "birthday"))
"""The types whose values are no texts: no hash can stand there, so that a personal value becomes null."""
_OLD_TYPES = """
    unknown text numeric checkbox select multiselect date url multitext textarea radiobutton streetaddress
    unknown smart_address birthday legal_entity items
"""
OLD_TYPES = dict(enumerate(_OLD_TYPES.split()))
"""By its number in amoCRM's API v2, which events still use, the type of a custom field (from 0)."""
_OPTION = frozenset(("enum_id", "enum_code", "enum"))
"""The keys of a value's option: of a phone, whether it is one of work; of a list, what was chosen."""
_FORMS = {"PHONE": PHONE, "EMAIL": EMAIL}
_STRUCTURES = """
    id uuid file_uuid version_uuid type entity_type message_type status delivery_status category origin service
    service_code source source_name form_id form_name form_type code enum_code extension mime_type currency duration
"""
_STRUCTURE = frozenset(_STRUCTURES.split())
"""The names of fields whose texts are types, states or ids of things, and never tell of a person."""
_TAG = KnownField(STAYS, plain=frozenset(("id", "name")))
_FIELD_NAMES = """
    field_id field_name field_code field_type is_computed values value text enum enum_id enum_code subtype catalog_id
    catalog_element_id name quantity metadata sku description unit_price unit_type discount type vat_rate_id
    vat_rate_value external_uid product_id bonus_points_per_purchase is_discount_recalculated is_total_sum_recalculated
    total_sum currency
"""
_FIELD = KnownField(STAYS, plain=frozenset(_FIELD_NAMES.split()))
"""A custom field whose values are not personal, in a card or an event."""
_NUMBERS_OF_PEOPLE = frozenset(("phone", "from", "to", "latitude", "longitude", "ip"))
_LEAST_PHONE = 10**9  # A number of this size or more may be a phone, unless the name of its field ends as in `_COUNTED`
_COUNTED = ("_at", "timestamp", "id", "sale", "price", "ltv")


class PersonalData:
    """Replaces the personal data of responses; with `keep` it does nothing. Safe to share by threads.

    Raises ConfigError for a listed column that cannot be replaced.
    """

    def __init__(self, config: Config) -> None:
        self._key = config.personal_data_key
        if self._key:
            add_to_secrets(self._key)
        columns, self._listed = _listed(config.personal_fields)
        self._lists: dict[str, KnownField] = {}
        if config.personal_data != KEEP:
            self._lists = {**known_fields.by_list(columns), f"{TALKS}/messages": KnownField(collection="messages")}
        self.account: Account | None = None
        """Its dictionaries tell a custom field's code and name, which an event lacks."""

    def pseudonym(self, text: str, kind: str = ANY) -> str | None:
        """Returns the hash of a text; None without a key. A text that is empty when normalized has an empty hash."""
        if not self._key:
            return None
        plain = normalized(text, kind).encode("utf-8", "replace")
        return hmac.digest(self._key.encode(), plain, "sha256").hex() if plain else ""

    def replaced(self, path: str, body: dict[str, Json] | None) -> dict[str, Json] | None:
        """Returns the response body of `path` without its personal data."""
        _, known, records = known_fields.records_in(self._lists, path, body)
        if body is None or records is None:
            return body
        made: dict[str, Json] = self._walk(records, known, "", None, 0)
        return made if records is body else {**body, "_embedded": {**body["_embedded"], known.collection: made}}

    @cached_property
    def _fields(self) -> tuple[Mapping[int | None, KnownField | None], bool]:
        """By id, how a custom field's values are replaced; and whether the dictionaries are whole."""
        rows, whole = _dictionary(self.account) if self.account else ([], True)
        names = ("id", "code", "name", "type")
        return {numeric_id(row.get("id")): self._value_of(*map(row.get, names)) for row in rows}, whole

    def _value_of(self, field_id: Json, *texts: Json) -> KnownField | None:
        """Returns how the values of a custom field are replaced; None if they are not personal.

        `texts`: the code, name and type of the field. One without a type counts as a field of the type text.
        """
        code, name, kind = (text if type(text) is str else None for text in texts)
        names = (numeric_id(field_id), *(_folded(text) for text in (code, name) if text))
        listed = not self._listed.keys().isdisjoint(names)
        kind = "text" if kind is None else kind
        if listed or code in _FORMS or kind not in IMPERSONAL:
            return _personal_value(kind, _FORMS.get(code or "", ANY), listed)
        return None

    def _walk(self, value: Json, known: KnownField, name: str, event_of: int | None, depth: int) -> Json:
        """`name`: of the innermost field around. `event_of`: the id of the custom field that an event's kind names."""
        if depth > MAX_DEPTH:
            return None
        if type(value) is list:
            return [self._walk(item, known, name, event_of, depth + 1) for item in value]
        if type(value) is not dict:
            return self._scalar(value, known.rule, name)
        if known.rule == "own" and "values" in value:
            return self._of_card(value, depth)
        if "value_after" in value and (event := FIELD.fullmatch(str(value.get("type")))):
            event_of = int(event[1])
        made: dict[str, Json] = {}
        for key, inner in value.items():
            if key == "_links":
                continue
            if key.isdecimal() and type(inner) in (dict, list):  # PHP's way to write an array
                made[key] = self._walk(inner, known, name, event_of, depth + 1)
            elif key == "custom_field_value" and known.rule == "texts" and type(inner) is dict:
                made[key] = self._of_event(inner, event_of, depth)
            elif key == "tag" and known.rule == "texts":
                made[key] = self._walk(inner, _TAG, key, event_of, depth + 1)
            elif (new_key := key if _is_name(key) else self.pseudonym(key)) is not None:
                made[new_key] = self._walk(inner, known.at(key), key, event_of, depth + 1)
        return made

    def _scalar(self, value: Json, rule: str, name: str) -> Json:
        if value is None or rule == STAYS:
            return value
        if rule == NUMBER:
            return None
        if type(value) is bool:
            return None if rule in (PHONE, EMAIL, ANY) else value
        text = str(value)
        if type(value) is str:
            stays = rule == "texts" and _is_structure(value, name)
        else:
            stays = rule in ("texts", "link", "own") and not _is_of_people(value, name)
        if stays or (rule == "colleague" and not is_phone(text) and not is_email(text)):
            return value
        return self.pseudonym(text, rule if rule in (PHONE, EMAIL) else ANY)

    def _of_card(self, field: Row, depth: int) -> Row:
        """Returns a card's filled custom field without its personal data."""
        known = self._value_of(*map(field.get, ("field_id", "field_code", "field_name", "field_type")))
        if known is None:
            values = self._walk(field["values"], _FIELD, "value", None, depth)
        else:
            elements = [] if field.get("field_type") == "chained_list" else as_list(field["values"])  # it has only ids
            values = self._walk(elements, known, "value", None, depth)
        made: Row = self._walk({**field, "values": None}, _FIELD, "", None, depth)
        return {**made, "values": values}

    def _of_event(self, value: Row, event_of: int | None, depth: int) -> Row:
        """Returns an event's value of a custom field without its personal data."""
        field_id = event_of if value.get("field_id") is None else numeric_id(value["field_id"])
        fields, whole = self._fields
        if field_id in fields:
            known = fields[field_id]
        else:
            # only the id of a deleted field is known, and personal_fields may list the field by its name
            by_name = any(isinstance(one, str) for one in self._listed)
            number = None if by_name or not whole else numeric_id(value.get("field_type"))
            known = self._value_of(field_id, None, None, OLD_TYPES.get(number or 0, "unknown"))
        made: Row = self._walk(value, known or _FIELD, "", None, depth)
        return made


@lru_cache(maxsize=1024)
def _personal_value(kind: str, form: str, listed: bool) -> KnownField:
    """Returns how a value of a personal custom field, and its option, are replaced in cards and events.

    `kind`: the type of the field. `form`: PHONE, EMAIL or ANY. `listed`: whether `personal_fields` lists the field.
    """
    rule, inside = (NUMBER, NUMBER) if kind in NUMBERS else (form, GOES if listed else "texts")
    option = OF_RULE[NUMBER if listed and kind != "multitext" else STAYS]
    known = {**dict.fromkeys(_OPTION, option), **dict.fromkeys(("field_id", "field_type"), OF_RULE[STAYS])}
    return KnownField(rule, inside=known, others=KnownField(rule, others=OF_RULE[inside]))


def unknown_fields(account: Account) -> str | None:
    """Raises ConfigError for listed custom fields that the account does not have: what they were to hide would be
    delivered. Returns a warning of them if a list of custom fields is refused, so that they may be there all the same.
    """
    _, listed = _listed(account.config.personal_fields)
    if not listed:
        return None
    rows, whole = _dictionary(account)
    texts = (text for row in rows for text in (row.get("code"), row.get("name")))
    known = {*(numeric_id(row.get("id")) for row in rows), *(_folded(text) for text in texts if isinstance(text, str))}
    missing = [entry for field, entry in listed.items() if field not in known]
    if not missing:
        return None
    named = f"personal_fields lists {', '.join(f'“{name}”' for name in missing)}, and"
    if not whole:
        return (
            f"{named} amoCRM does not show all custom fields, so nobody knows whether there is one with such an id, "
            "code or name."
        )
    raise ConfigError(
        f"{named} the account has no custom field with such an id, code or name, so nothing would be replaced for it. "
        "Nothing was read. Correct the list, or write a column as stream.column."
    )


def _dictionary(account: Account) -> tuple[list[Row], bool]:
    """Returns the custom fields, and whether none of their lists was refused. Raises a transient AmocrmError."""
    rows: list[Row] = []
    try:
        rows.extend(record for record, _ in CustomFields(account).records())
        return rows, True
    except AmocrmError as error:
        if error.failure_type == FailureType.transient_error:
            raise
        return rows, False


def _listed(entries: Iterable[str]) -> tuple[list[tuple[str, str]], dict[int | str, str]]:
    """Returns the columns that `personal_fields` lists, and its custom fields: each entry by an id, or a folded text.

    Raises ConfigError for a column that does not exist or cannot be replaced.
    """
    columns: list[tuple[str, str]] = []
    fields: dict[int | str, str] = {}
    for entry in entries:
        stream, point, name = entry.partition(".")
        if point and stream in STREAMS:
            if why := _why_it_stays(stream, name):
                raise ConfigError(f"Further personal fields (personal_fields): {why}")
            columns.append((stream, name))
        else:
            fields[int(entry) if entry.isascii() and entry.isdecimal() else _folded(entry)] = entry
    return columns, fields


def _why_it_stays(stream: str, name: str) -> str | None:
    """Returns why a listed column cannot be replaced; None if it can."""
    known = {column.name: column for column in schema.columns(stream)}
    column = known.get(name)
    if column is None:
        closest = difflib.get_close_matches(name, known, 1)
        advice = f"Did you mean {stream}.{closest[0]}?" if closest else "Look it up in the data dictionary."
        return f"{stream} has no column “{name}”. {advice}"
    if column.in_key or "format" in column.schema or column.type in ("integer", "boolean"):
        return (
            f"{stream}.{name} must stay, for keys, ids, dates and flags are what a sync and joins live on. Take it out "
            "of the list, and leave the column out of the tables instead."
        )
    fields = column.fields if column in known_fields.columns_in_records(STREAMS[stream]) else ()
    if column.personal == "own" or (column.personal is None and (not fields or known_fields.CUSTOM_FIELDS in fields)):
        return f"{stream}.{name} is made of other values. List the custom field or the column that they come from."
    return None


def _is_structure(text: str, name: str) -> bool:
    if is_phone(text):
        return name.endswith("_at")
    counted = name.endswith(_COUNTED) and _DECIMAL.fullmatch(text)
    return not is_email(text) and bool(name in _STRUCTURE or name.endswith("_at") or counted)


def _is_of_people(number: float, name: str) -> bool:
    """Whether a number may be a phone, or tell where somebody is."""
    return name in _NUMBERS_OF_PEOPLE or (abs(number) >= _LEAST_PHONE and not name.endswith(_COUNTED))


def _is_name(text: str) -> bool:
    """Whether the key of an object is a field's name or a short number, and not a text that somebody typed."""
    return (
        text.isascii() and len(text) <= 60 and text.replace("_", "").replace("-", "").isalnum() and not is_phone(text)
    )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def normalized(text: str, kind: str = ANY) -> str:
    """Returns one form for all ways to type a value: `+79991234567`, `ivan@example.com`, `иван петров`.

    A value of ANY kind counts as a phone or an address if it looks like one. A phone without digits becomes empty.
    """
    if kind == PHONE or (kind == ANY and is_phone(text)):
        digits = _NO_DIGITS.sub("", text)
        return "+" + (f"7{digits[1:]}" if RUSSIAN_PHONE.fullmatch(digits) else digits) if digits else ""
    if kind == EMAIL or is_email(text):
        return text.strip().lower()
    return " ".join(text.casefold().split())


def is_phone(text: str) -> bool:
    """Whether a text is a phone number and nothing else. A short number may as well be an amount."""
    return bool(_LIKE_PHONE.fullmatch(text.strip())) and len(_NO_DIGITS.sub("", text)) in _PHONE_DIGITS


def is_email(text: str) -> bool:
    return bool(_LIKE_EMAIL.fullmatch(text.strip()))
