"""Personal data: replaced in each answer as soon as it is parsed (`personal_data`).

Whatever comes behind that point, a row, a value of another list, a log or an error, cannot tell what the answer lacks.
The tables' schemas say where personal data stands (`x-personal`). Numbers, dates and ids stay, because the engine and
the joins live on them. A text in a field that no column knows counts as personal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from airbyte_cdk.models import FailureType

from source_amocrm.account import Account
from source_amocrm.account.event_kinds import FIELD
from source_amocrm.config import Config
from source_amocrm.config.settings import KEEP
from source_amocrm.errors import AmocrmError, ConfigError
from source_amocrm.secrecy import add_to_secrets
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.chats import TALKS
from source_amocrm.streams.custom_fields import CustomFields
from source_amocrm.streams.places import FIELDS, GOES, ID_IN_PATH, NUMBER, STAYS, Place, columns_in_records, places
from source_amocrm.streams.pseudonyms import ANY, EMAIL, PHONE, Pseudonym, is_email, is_phone, keyed_hash
from source_amocrm.streams.schema_drift import FIELD_TYPES
from source_amocrm.streams.values import MAX_DEPTH, Json, Row, as_list
from source_amocrm.walk.listing import numeric_id

_PERSONAL_TYPES = """
    multitext birthday streetaddress smart_address legal_entity linked_entity file payer supplier org_legal_name
"""
PERSONAL_TYPES = frozenset(_PERSONAL_TYPES.split())
"""The types of custom fields whose values are personal; a type that nobody knows counts as one of them."""
NUMBERS = frozenset(("numeric", "price", "monetary", "checkbox", "date", "date_time", "birthday"))
"""The types whose values are no texts, so that no hash can stand there."""
OLD_TYPES: Mapping[int, str] = {
    **{1: "text", 2: "numeric", 3: "checkbox", 4: "select", 5: "multiselect", 6: "date", 7: "url", 8: "multitext"},
    **{9: "textarea", 10: "radiobutton", 11: "streetaddress", 13: "smart_address", 14: "birthday", 15: "legal_entity"},
    16: "items",
}
"""The types of custom fields by the numbers of amoCRM's API v2, which events still have."""
_UNKNOWN = "unknown"
_OPTION = frozenset(("enum_id", "enum_code", "enum"))
"""What tells an option of a field: of a phone, that it is one of work; of a list, what was chosen."""
_KINDS = {"PHONE": PHONE, "EMAIL": EMAIL}
_STRUCTURES = """
    id uuid file_uuid version_uuid type entity_type message_type status delivery_status category origin service
    service_code source source_name form_id form_name form_type code enum_code extension mime_type currency duration
"""
_STRUCTURE = frozenset(_STRUCTURES.split())
"""Names of fields whose texts tell the kind of a thing, or which one it is, and never who."""
_NUMBERS_OF_PEOPLE = frozenset(("phone", "from", "to", "latitude", "longitude", "ip"))
_LEAST_PHONE = 10**9
"""A number from here on may be a phone, unless the name of its field ends with one of these."""
_COUNTED = ("_at", "timestamp", "id", "sale", "price", "ltv")


@dataclass(frozen=True)
class ListedFields:
    """The custom fields of `personal_fields`. `names`: codes and names as they are compared, and as they were typed."""

    ids: frozenset[int]
    names: Mapping[str, str]

    def hold(self, field_id: int | None, *names: str | None) -> bool:
        return field_id in self.ids or any(name is not None and _folded(name) in self.names for name in names)


@dataclass(frozen=True)
class OwnField:
    """What is known of a custom field: its type, and whether its values are personal."""

    type: str
    code: str | None
    listed: bool

    @property
    def is_personal(self) -> bool:
        return self.listed or self.code in _KINDS or self.type in PERSONAL_TYPES or self.type not in FIELD_TYPES

    @property
    def kind(self) -> str:
        return _KINDS.get(self.code or "", ANY)


class PersonalData:
    """Replaces the personal data of answers; with `keep` it does nothing. Safe to share by threads.

    Raises ConfigError for a listed column that cannot be replaced.
    """

    def __init__(self, config: Config) -> None:
        self._pseudonym: Pseudonym = lambda _text, _kind: None
        if key := config.personal_data_key:
            add_to_secrets(key)
            self._pseudonym = keyed_hash(key)
        columns, self._listed = _listed(config.personal_fields)
        self._lists: dict[str, Place] = {}
        if config.personal_data != KEEP:
            of_messages = ID_IN_PATH.sub("", f"{TALKS}/1/messages")
            self._lists = {**places(columns), of_messages: Place(collection="messages")}
        self._account: Account | None = None

    def learn_from(self, account: Account) -> None:
        """Lets the dictionaries of custom fields be asked for: an event does not tell its field's code and name."""
        self._account = account

    def replaced(self, path: str, body: dict[str, Json] | None) -> dict[str, Json] | None:
        """Returns the body of an answer that came to `path` without its personal data."""
        bare = ID_IN_PATH.sub("", path)
        place = self._lists.get(bare)
        if place is None or not body:
            return body
        collection = place.collection
        embedded = body.get("_embedded")
        if collection and isinstance(embedded, dict) and collection in embedded:
            records = self._walk(embedded[collection], place, "", None, 0)
            return {**body, "_embedded": {**embedded, collection: records}}
        if collection and bare == path:
            return body
        alone: dict[str, Json] = self._walk(body, place, "", None, 0)
        return alone

    @cached_property
    def _dictionary(self) -> tuple[list[Row], bool]:
        return _dictionary(self._account) if self._account else ([], True)

    @cached_property
    def _own(self) -> Mapping[int | None, OwnField]:
        rows, _ = self._dictionary
        return {numeric_id(row.get("id")): self._field(row.get("id"), row.get("type"), row) for row in rows}

    def _field(self, field_id: Json, kind: Json, names: Row, prefix: str = "") -> OwnField:
        """A field without a type is known by its code alone."""
        texts = (names.get(f"{prefix}code"), names.get(f"{prefix}name"), kind)
        code, name, known = (text if type(text) is str else None for text in texts)
        listed = self._listed.hold(numeric_id(field_id), code, name)
        return OwnField("text" if known is None else known, code, listed)

    def _walk(self, value: Json, place: Place, name: str, event_of: int | None, depth: int) -> Json:
        """`name`: of the nearest field. `event_of`: the custom field that the kind of the event names."""
        if place.stays:
            return value
        if depth > MAX_DEPTH:
            return None
        if type(value) is list:
            return [self._walk(item, place, name, event_of, depth + 1) for item in value]
        if type(value) is not dict:
            return self._scalar(value, place.rule, name)
        if place.rule == "own" and "values" in value:
            return self._of_card(value, depth)
        if "value_after" in value and (event := FIELD.fullmatch(str(value.get("type")))):
            event_of = int(event[1])
        made: dict[str, Json] = {}
        for key, inner in value.items():
            if key == "_links":
                continue
            if key.isdecimal() and type(inner) in (dict, list):  # PHP's way to write an array
                made[key] = self._walk(inner, place, name, event_of, depth + 1)
            elif key == "custom_field_value" and place.rule == "texts" and type(inner) is dict:
                made[key] = self._of_event(inner, event_of, depth)
            elif key == "tag" and place.rule == "texts":
                made[key] = inner
            elif (other := key if place.rule == STAYS or _is_name(key) else self._pseudonym(key, ANY)) is not None:
                made[other] = self._walk(inner, place.at(key), key, event_of, depth + 1)
        return made

    def _scalar(self, value: Json, rule: str, name: str) -> Json:
        if value is None or type(value) is bool or rule == STAYS:
            return value
        if rule == NUMBER:
            return None
        text, is_number = str(value), type(value) is not str
        if rule == "colleague":
            stays = not (is_phone(text) or is_email(text))
        elif rule in ("texts", "link", "own"):
            stays = not _is_of_people(value, name) if is_number else rule == "texts" and _is_structure(value, name)
        else:
            stays = False
        return value if stays else self._pseudonym(text, rule if rule in (PHONE, EMAIL) else ANY)

    def _of_card(self, given: Row, depth: int) -> Row:
        """Returns a filled custom field of a card."""
        own = self._field(given.get("field_id"), given.get("field_type"), given, "field_")
        if not own.is_personal:
            return given
        elements = [] if own.type == "chained_list" else as_list(given.get("values"))  # of ids alone
        return {**given, "values": [self._element(element, own, depth) for element in elements]}

    def _element(self, element: Json, own: OwnField, depth: int) -> Json:
        if type(element) is not dict:
            return self._value(element, own, depth)
        options = own.type == "multitext" or not own.listed
        return {
            name: (inner if options else None) if name in _OPTION else self._value(inner, own, depth)
            for name, inner in element.items()
        }

    def _value(self, value: Json, own: OwnField, depth: int) -> Json:
        if type(value) in (dict, list):
            rule = NUMBER if own.type in NUMBERS else GOES if own.listed else "texts"
            return self._walk(value, Place(rule), "value", None, depth + 1)
        if value is None or own.type in NUMBERS or type(value) is bool:
            return None
        return self._pseudonym(str(value), own.kind)

    def _of_event(self, given: Row, event_of: int | None, depth: int) -> Row:
        """Returns a custom field's value as an event tells it."""
        field_id = event_of if given.get("field_id") is None else numeric_id(given["field_id"])
        own = self._own.get(field_id)
        if own is None:
            # Of a field that was deleted only the id is left; it may have been listed by its name.
            unsure = self._listed.names or not self._dictionary[1]
            kind = _UNKNOWN if unsure else OLD_TYPES.get(numeric_id(given.get("field_type")) or 0, _UNKNOWN)
            own = OwnField(kind, None, self._listed.hold(field_id))
        if not own.is_personal:
            return given
        told = {name: inner for name, inner in given.items() if name in ("field_id", "field_type")}
        return {**given, **self._element(given, own, depth), **told}


def unknown_fields(account: Account) -> str | None:
    """Returns what to say of listed custom fields that the account does not have."""
    _, listed = _listed(account.config.personal_fields)
    if not listed.ids and not listed.names:
        return None
    rows, whole = _dictionary(account)
    texts = (text for row in rows for text in (row.get("code"), row.get("name")))
    codes = {_folded(text) for text in texts if isinstance(text, str)}
    ids = {numeric_id(row.get("id")) for row in rows}
    missing = [shown for name, shown in listed.names.items() if name not in codes]
    missing += [str(own) for own in sorted(listed.ids) if own not in ids]
    if not missing or not whole:
        return None
    return (
        f"personal_fields lists {', '.join(f'“{name}”' for name in missing)}, and the account has no custom field with "
        "such an id, code or name, so nothing is replaced for it. Correct the list, or write a column as stream.column."
    )


def _dictionary(account: Account) -> tuple[list[Row], bool]:
    """Returns the custom fields, and whether all of them may be seen. Raises AmocrmError if a request fails."""
    rows: list[Row] = []
    try:
        rows.extend(record for record, _ in CustomFields(account).records())
        return rows, True
    except AmocrmError as error:
        if error.failure_type == FailureType.transient_error:
            raise
        return rows, False


def _listed(entries: Iterable[str]) -> tuple[list[tuple[str, str]], ListedFields]:
    """Returns the columns and the custom fields of `personal_fields`. Raises ConfigError."""
    columns, ids, names = [], set(), {}
    for entry in entries:
        stream, point, name = entry.partition(".")
        if point and stream in STREAMS:
            _check_column(stream, name)
            columns.append((stream, name))
        elif entry.isascii() and entry.isdecimal():
            ids.add(int(entry))
        else:
            names[_folded(entry)] = entry
    return columns, ListedFields(frozenset(ids), names)


def _check_column(stream: str, name: str) -> None:
    """Raises ConfigError for a column that there is not, or that cannot be replaced."""
    known = {column.name: column for column in schema.columns(stream)}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        advice = f"Did you mean {stream}.{near[0]}?" if near else "Look it up in the data dictionary."
        raise ConfigError(f"Further personal fields (personal_fields): {stream} has no column “{name}”. {advice}")
    column = known[name]
    if column.in_key or "format" in column.schema or column.type in ("integer", "boolean"):
        raise ConfigError(
            f"Further personal fields (personal_fields): {stream}.{name} must stay, for keys, ids, dates and flags are "
            "what a sync and joins live on. Take it out of the list, and leave the column out of the tables instead."
        )
    stands = column in columns_in_records(STREAMS[stream]) and column.fields
    if column.personal == "own" or (column.personal is None and (not stands or FIELDS in column.fields)):
        raise ConfigError(
            f"Further personal fields (personal_fields): {stream}.{name} is made of other values. List the custom "
            "field or the column that they come from."
        )


def _is_structure(text: str, name: str) -> bool:
    if is_phone(text):
        return name.endswith("_at")
    return not is_email(text) and (name in _STRUCTURE or name.endswith("_at"))


def _is_of_people(number: float, name: str) -> bool:
    """Whether a number may be a phone, or tell where somebody is."""
    return name in _NUMBERS_OF_PEOPLE or (abs(number) >= _LEAST_PHONE and not name.endswith(_COUNTED))


def _is_name(text: str) -> bool:
    """Whether the key of an object is the name of a field, or a short number, and nothing that somebody typed."""
    return (
        text.isascii() and len(text) <= 60 and text.replace("_", "").replace("-", "").isalnum() and not is_phone(text)
    )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
