"""A Reply against the table: what it means, what to do, and the error in words."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from source_amocrm.config.hosts import is_service_host
from source_amocrm.errors import AmocrmError
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.body import Kind
from source_amocrm.http.rules import TABLE, Rule, Where
from source_amocrm.http.transport import Reply, http_date
from source_amocrm.secrecy import mask

_LONGEST_DETAIL = 300
_LONGEST_WORDS = 5000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request went and as whom, for the error's words."""

    host: str
    path: str
    advice: str = ""
    account_id: int | None = None


def judge(reply: Reply, where: Where = Where.API) -> Rule:
    """The first rule of the table that fits."""
    status = _status(reply)
    codes, words = _codes(reply.body), _words(reply.body).lower()
    for rule in TABLE:
        if (
            _fits(status, rule.status)
            and (not rule.kinds or reply.kind in rule.kinds)
            and (not rule.codes or not codes.isdisjoint(rule.codes))
            and (not rule.says or any(text in words for text in rule.says))
            and (not rule.where or where in rule.where)
        ):
            return rule
    raise AssertionError(f"no rule for {status} {reply.kind}")


def _fits(status: int | None, wanted: Container[int] | None) -> bool:
    return wanted is None if status is None else wanted is not None and status in wanted


def explain(
    rule: Rule, reply: Reply, place: Place, policy: RetryPolicy, kind: type[AmocrmError] | None = None
) -> AmocrmError:
    """The rule's error for this reply, or one of `kind`: the sentence, and what amoCRM's support asks for."""
    sentence = rule.message.format(
        host=place.host,
        subdomain=place.host.partition(".")[0],
        account=place.account_id or "(see «Настройки» → «Общие настройки»)",
        path=place.path,
        detail=_detail(reply),
        advice=place.advice,
        minutes=round(policy.throttled_ceiling / 60),
    ).strip()
    traces = _traces(reply)
    seen = f"{reply.status} ({reply.kind.value})" if reply.status else reply.kind.value
    internal = " ".join(filter(None, [f"{place.path} at {place.host}: {seen}.", reply.trouble, traces]))
    message = f"{sentence} [{traces}]" if traces else sentence
    error = (kind or rule.error)(message, failure_type=rule.failure, status=reply.status, internal_message=internal)
    error.path = place.path
    return error


def retry_after(reply: Reply) -> float | None:
    """Seconds that the server asks to wait, by header (seconds or a date) or by body."""
    header = reply.headers.get("Retry-After")
    if header is not None:
        seconds = _seconds(header)
        if seconds is not None:
            return seconds
        moment = http_date(header)
        if moment is not None:
            return max(0.0, moment - (reply.server_time or reply.received))
    return _seconds((reply.body or {}).get("retry_after"))


def _seconds(given: object) -> float | None:
    text = str(given).strip() if not isinstance(given, bool) else ""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None


def _status(reply: Reply) -> int | None:
    # a problem sent under 200 is still a problem, and not an empty list
    body = reply.body or {}
    if reply.status == 200 and "title" in body and "detail" in body:
        told = body.get("status")
        if isinstance(told, int) and 400 <= told <= 599:
            return told
    return reply.status


def _codes(body: Mapping[str, Any] | None) -> set[int]:
    """amoCRM's error numbers wherever its generations put them."""
    places: list[Any] = [body]
    if body is not None:
        places += [body.get("response"), body.get("error")]
    found: set[int] = set()
    for place in places:
        if isinstance(place, Mapping):
            for key in ("code", "error_code"):
                text = str(place.get(key))
                if re.fullmatch(r"\d{1,6}", text, re.ASCII):
                    found.add(int(text))
    return found


def _words(body: Mapping[str, Any] | None) -> str:
    if body is None:
        return ""
    found = [body.get(key) for key in ("hint", "detail", "title", "message", "error")]
    for problem in _list(body.get("validation-errors")):
        for error in _list(problem.get("errors") if isinstance(problem, Mapping) else None):
            if isinstance(error, Mapping):
                found.append(f"{error.get('path')}: {error.get('detail')}")
    unique = dict.fromkeys(text for text in found if isinstance(text, str) and text.strip())
    return ", ".join(unique)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _detail(reply: Reply) -> str:
    """What the answer itself says, as a piece of a sentence: ` (…)` or nothing."""
    words = _words(reply.body)
    if reply.status is not None and 300 <= reply.status < 400:
        try:
            host = urlsplit(reply.headers.get("Location", "")).hostname or ""
        except ValueError:
            host = ""
        words = f"to {host}" if is_service_host(host) else ""
    text = " ".join("".join(c if c.isprintable() else " " for c in words[:_LONGEST_WORDS]).split())
    return f" ({mask(text)[:_LONGEST_DETAIL]})" if text else ""


def _traces(reply: Reply) -> str:
    """Request and trace ids: by them amoCRM's support finds the request."""
    ids = {
        "X-Request-Id": reply.headers.get("X-Request-Id"),
        "trace_id": (reply.body or {}).get("trace_id"),
    }
    return ", ".join(
        f"{name} {mask(str(text))}" for name, text in ids.items() if re.fullmatch(r"[\w.:/+=-]{1,100}", str(text or ""))
    )


def failed_early(reply: Reply) -> bool:
    """True for what is rather a wrong address than an outage when nothing has ever been answered."""
    return reply.kind in (Kind.DNS, Kind.REFUSED, Kind.CONNECT_TIMEOUT, Kind.TLS)
