"""Parts of amoCRM that not every account has, and ways of asking that not every server knows."""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate

from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer, Untold, Why, each, one, verdict
from amocrm_probe.asking import Asking
from amocrm_probe.lists import LISTS
from amocrm_probe.questions.filters import filter_works
from amocrm_probe.questions.question import Question
from amocrm_probe.values import Row, numbered, objects, own, within
from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.walk.listing import numeric_id

_LISTS = ("loss_reasons", "unsorted", "catalogs", "transactions", "talks", "users", "customers")
_MASS = (50, 250)
"""Cards whose links are asked for at once."""
_UNSORTED = 10
_DRIVE = {"with": "drive_url,is_api_filter_enabled"}


def lists(ask: Asking) -> Answers:
    def answer(name: str) -> ProbeAnswer:
        try:
            page = ask.sample(LISTS[name])
        except Untold as untold:
            told = {Why.REFUSED: "refused", Why.ABSENT: "absent"}.get(untold.why)
            if told is None:
                raise
            return ProbeAnswer(told)
        return ProbeAnswer("given" if page.rows else "empty")

    return each(_LISTS, answer)


def customers_mode(ask: Asking) -> Answers:
    mode = ask.body(ACCOUNT_PATH, _DRIVE).body.get("customers_mode")
    known = {"segments": "segments", "periodicity": "periodicity", "disabled": "off"}
    return {ACCOUNT: ProbeAnswer(known.get(mode, "not_told") if isinstance(mode, str) else "not_told")}


def drive(ask: Asking) -> Answers:
    return {ACCOUNT: ProbeAnswer("given" if ask.body(ACCOUNT_PATH, _DRIVE).body.get("drive_url") else "missing")}


def talks_shape(ask: Asking) -> Answers:
    return one(lambda: verdict(Counter(found for row in ask.rows("talks") if (found := _talk(row)))))


def _talk(row: Row) -> str | None:
    if "status" in row:
        return "2026"
    return "2021" if "missed_at" in row else None


def chat_texts(ask: Asking) -> Answers:
    return one(lambda: _chat_texts(ask))


def _chat_texts(ask: Asking) -> ProbeAnswer:
    """Asks for one message of the newest talk, and keeps nothing of it."""
    talk_id = next((found for row in ask.rows("talks") if (found := numeric_id(row.get("talk_id")))), None)
    if talk_id is None:
        raise Untold(Why.EMPTY)
    try:
        ask.body(f"{LISTS['talks'].path}/{talk_id}/messages", {"limit": 1}, "messages")
    except Untold as untold:
        told = {Why.REFUSED: "refused", Why.ABSENT: "absent"}.get(untold.why)
        if told is None:
            raise
        return ProbeAnswer(told)
    return ProbeAnswer("served")


def unsorted(ask: Asking) -> Answers:
    return one(lambda: _unsorted(ask))


def _unsorted(ask: Asking) -> ProbeAnswer:
    waiting = [numbered(lead) for row in ask.rows("unsorted") for lead in objects(within(row, "_embedded", "leads"))]
    ids = [found for found in waiting if found is not None][:_UNSORTED]
    if not ids:
        raise Untold(Why.EMPTY)
    if not filter_works(ask, LISTS["leads"]):
        raise Untold(Why.NO_FILTER)
    found = {own(row) for row in ask.page(LISTS["leads"], {"filter[id][]": ids, "limit": 250}).rows} & set(ids)
    return ProbeAnswer("shown" if found else "hidden", seen={"rows": len(ids), "there": len(found)})


def payer(ask: Asking) -> Answers:
    return one(lambda: _payer(ask))


def _payer(ask: Asking) -> ProbeAnswer:
    """Only the catalog of invoices has such fields."""
    invoices = next((numbered(row) for row in ask.rows("catalogs") if row.get("type") == "invoices"), None)
    if invoices is None:
        raise Untold(Why.EMPTY)
    page = ask.body(f"{LISTS['catalogs'].path}/{invoices}/elements", {"limit": 250}, "elements")
    filled = [one for row in page.rows for one in objects(row.get("custom_fields_values"))]
    payers = [one for one in filled if one.get("field_type") == "payer"]
    return verdict(Counter(_form(value.get("value")) for one in payers for value in objects(one.get("values"))))


def _form(value: object) -> str:
    return "parts" if isinstance(value, dict) and "name" in value else "text" if isinstance(value, str) else "other"


def mass_links(ask: Asking) -> Answers:
    return one(lambda: _mass_links(ask))


def _mass_links(ask: Asking) -> ProbeAnswer:
    """Whether the links of as many cards as that come in one answer."""
    leads = [row for row in ask.rows("leads") if objects(within(row, "_embedded", "contacts"))]
    ids = [found for row in leads if (found := numbered(row)) is not None]
    if not ids:
        raise Untold(Why.EMPTY)
    seen: dict[str, float] = {}
    for most in _MASS:
        asked = ids[:most]
        try:
            page = ask.body(f"{LISTS['leads'].path}/links", {"filter[entity_id][]": asked}, "links")
        except Untold as untold:
            if untold.why not in (Why.FAILED, Why.ABSENT, Why.REFUSED):
                raise
            return ProbeAnswer("refused", seen={**seen, "asked": len(asked)})
        there = {row.get("entity_id") for row in page.rows if isinstance(row.get("entity_id"), int)}
        seen[str(most)] = len(there & set(asked))
        if seen[str(most)] < len(asked):
            return ProbeAnswer("fewer", seen={**seen, "asked": len(asked)})
        if len(asked) < most:
            break
    return ProbeAnswer("all", seen={**seen, "asked": len(asked)})


def unmodified(ask: Asking) -> Answers:
    return one(lambda: _unmodified(ask))


def _unmodified(ask: Asking) -> ProbeAnswer:
    """A list that was not modified since a moment ahead: to be told so (304), or to get it all the same."""
    since = {"If-Modified-Since": formatdate(4_000_000_000, usegmt=True)}
    try:
        page = ask.body(LISTS["leads"].path, {"limit": 1}, "leads", headers=since)
    except Untold as untold:
        if untold.why is not Why.UNCHANGED:
            raise
        return ProbeAnswer("honoured")
    if page.rows:
        return ProbeAnswer("ignored")
    if not ask.rows("leads"):
        raise Untold(Why.EMPTY)
    return ProbeAnswer("honoured")


QUESTIONS = (
    Question("lists", "Whether the list is there", ("given", "empty", "absent", "refused"), lists),
    Question("customers_mode", "How customers are led", ("segments", "periodicity", "off", "not_told"), customers_mode),
    Question("drive_url", "Whether the account names its host of files", ("given", "missing"), drive),
    Question("talks_shape", "Which form talks have", ("2026", "2021"), talks_shape),
    Question(
        "chat_texts",
        "Whether the token is served what was written in chats",
        ("served", "refused", "absent"),
        chat_texts,
    ),
    Question(
        "unsorted_leads",
        "Whether deals that wait in «Неразобранное» stand among the deals",
        ("shown", "hidden"),
        unsorted,
    ),
    Question(
        "mass_links", "Whether links of 50 and of 250 deals come at once", ("all", "fewer", "refused"), mass_links
    ),
    Question("payer_value", "What the value of a field for a payer is", ("parts", "text", "other"), payer),
    Question("if_modified_since", "Whether If-Modified-Since is understood", ("honoured", "ignored"), unmodified),
)
