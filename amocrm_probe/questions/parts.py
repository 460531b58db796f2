"""Parts of amoCRM that not every account has, and kinds of requests that not every server knows."""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why, verdict
from amocrm_probe.json_parts import Row, integer_id, objects, row_id, value_at
from amocrm_probe.lists import LISTS, List
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.filters import filter_works
from amocrm_probe.questions.question import Question, of_account, of_lists
from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.walk.listing import numeric_id

_LISTS = ("loss_reasons", "unsorted", "catalogs", "transactions", "talks", "users", "customers")
_MASS = (50, 250)
"""Numbers of cards whose links are requested at once."""
_UNSORTED = 10
_DRIVE = {"with": "drive_url,is_api_filter_enabled"}


def _listed(ask: Asking, of: List) -> ProbeAnswer:
    try:
        page = ask.sample(of)
    except Unanswered as unanswered:
        return _refusal(unanswered)
    return ProbeAnswer("given" if page.rows else "empty")


def _refusal(unanswered: Unanswered) -> ProbeAnswer:
    """Answers “refused” or “absent”, or raises the error if it has another reason."""
    value = {Why.REFUSED: "refused", Why.ABSENT: "absent"}.get(unanswered.why)
    if value is None:
        raise unanswered
    return ProbeAnswer(value)


def _customers_mode(ask: Asking) -> ProbeAnswer:
    mode = ask.body(ACCOUNT_PATH, _DRIVE).body.get("customers_mode")
    known = {"segments": "segments", "periodicity": "periodicity", "disabled": "off"}
    return ProbeAnswer(known.get(mode, "not_told") if isinstance(mode, str) else "not_told")


def _drive(ask: Asking) -> ProbeAnswer:
    return ProbeAnswer("given" if ask.body(ACCOUNT_PATH, _DRIVE).body.get("drive_url") else "missing")


def _talks_shape(ask: Asking) -> ProbeAnswer:
    return verdict(Counter(found for row in ask.rows("talks") if (found := _talk(row))))


def _talk(row: Row) -> str | None:
    if "status" in row:
        return "2026"
    return "2021" if "missed_at" in row else None


def _chat_texts(ask: Asking) -> ProbeAnswer:
    """Requests one message of the newest talk and keeps nothing of it."""
    talk_id = next((found for row in ask.rows("talks") if (found := numeric_id(row.get("talk_id")))), None)
    if talk_id is None:
        raise Unanswered(Why.EMPTY)
    try:
        ask.body(f"{LISTS['talks'].path}/{talk_id}/messages", {"limit": 1}, "messages")
    except Unanswered as unanswered:
        return _refusal(unanswered)
    return ProbeAnswer("served")


def _unsorted(ask: Asking) -> ProbeAnswer:
    waiting = [
        integer_id(lead) for row in ask.rows("unsorted") for lead in objects(value_at(row, "_embedded", "leads"))
    ]
    ids = [found for found in waiting if found is not None][:_UNSORTED]
    if not ids:
        raise Unanswered(Why.EMPTY)
    if not filter_works(ask, LISTS["leads"]):
        raise Unanswered(Why.NO_FILTER)
    found = {row_id(row) for row in ask.page(LISTS["leads"], {"filter[id][]": ids, "limit": 250}).rows} & set(ids)
    return ProbeAnswer("shown" if found else "hidden", seen={"rows": len(ids), "there": len(found)})


def _payer(ask: Asking) -> ProbeAnswer:
    """Only the catalog of invoices has fields of the type `payer`."""
    invoices = next((integer_id(row) for row in ask.rows("catalogs") if row.get("type") == "invoices"), None)
    if invoices is None:
        raise Unanswered(Why.EMPTY)
    page = ask.body(f"{LISTS['catalogs'].path}/{invoices}/elements", {"limit": 250}, "elements")
    filled = [one for row in page.rows for one in objects(row.get("custom_fields_values"))]
    payers = [one for one in filled if one.get("field_type") == "payer"]
    return verdict(Counter(_form(value.get("value")) for one in payers for value in objects(one.get("values"))))


def _form(value: object) -> str:
    return "parts" if isinstance(value, dict) and "name" in value else "text" if isinstance(value, str) else "other"


def _mass_links(ask: Asking) -> ProbeAnswer:
    """Whether the links of 50 and of 250 deals come in one answer each."""
    leads = [row for row in ask.rows("leads") if objects(value_at(row, "_embedded", "contacts"))]
    ids = [found for row in leads if (found := integer_id(row)) is not None]
    if not ids:
        raise Unanswered(Why.EMPTY)
    seen: dict[str, float] = {}
    for most in _MASS:
        chosen = ids[:most]
        try:
            page = ask.body(f"{LISTS['leads'].path}/links", {"filter[entity_id][]": chosen}, "links")
        except Unanswered as unanswered:
            if unanswered.why not in (Why.FAILED, Why.ABSENT, Why.REFUSED):
                raise
            return ProbeAnswer("refused", seen={**seen, "asked": len(chosen)})
        there = {row.get("entity_id") for row in page.rows if isinstance(row.get("entity_id"), int)}
        seen[str(most)] = len(there & set(chosen))
        if seen[str(most)] < len(chosen):
            return ProbeAnswer("fewer", seen={**seen, "asked": len(chosen)})
        if len(chosen) < most:
            break
    return ProbeAnswer("all", seen={**seen, "asked": len(chosen)})


def _unmodified(ask: Asking) -> ProbeAnswer:
    """Whether the server answers 304 or nothing to If-Modified-Since with a date far ahead, or sends the list."""
    since = {"If-Modified-Since": formatdate(4_000_000_000, usegmt=True)}
    try:
        page = ask.body(LISTS["leads"].path, {"limit": 1}, "leads", headers=since)
    except Unanswered as unanswered:
        if unanswered.why is not Why.UNCHANGED:
            raise
        return ProbeAnswer("honoured")
    if page.rows:
        return ProbeAnswer("ignored")
    if not ask.rows("leads"):
        raise Unanswered(Why.EMPTY)
    return ProbeAnswer("honoured")


QUESTIONS = (
    Question("lists", "Whether the list is there", ("given", "empty", "absent", "refused"), of_lists(_LISTS, _listed)),
    Question(
        "customers_mode",
        "How customers are led",
        ("segments", "periodicity", "off", "not_told"),
        of_account(_customers_mode),
    ),
    Question("drive_url", "Whether the account names its host of files", ("given", "missing"), of_account(_drive)),
    Question("talks_shape", "Which form talks have", ("2026", "2021"), of_account(_talks_shape)),
    Question(
        "chat_texts",
        "Whether the token is served what was written in chats",
        ("served", "refused", "absent"),
        of_account(_chat_texts),
    ),
    Question(
        "unsorted_leads",
        "Whether deals that wait in «Неразобранное» stand among the deals",
        ("shown", "hidden"),
        of_account(_unsorted),
    ),
    Question(
        "mass_links",
        "Whether links of 50 and of 250 deals come at once",
        ("all", "fewer", "refused"),
        of_account(_mass_links),
    ),
    Question("payer_value", "What the value of a field for a payer is", ("parts", "text", "other"), of_account(_payer)),
    Question(
        "if_modified_since",
        "Whether If-Modified-Since is understood",
        ("honoured", "ignored"),
        of_account(_unmodified),
    ),
)
