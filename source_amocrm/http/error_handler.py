"""Classifies an answer by the table of rules, and makes the error that says what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution, ResponseAction

from source_amocrm.auth import SignIn
from source_amocrm.config.hosts import is_service_host
from source_amocrm.errors import AmocrmError
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.refusals import TABLE, Rule, Where
from source_amocrm.http.reply import AmocrmResponse, NoAnswer, Reply, reply_of
from source_amocrm.secrecy import mask

_LONGEST_DETAIL = 300
"""Characters of an answer's own words that an error shows."""
_LONGEST_WORDS = 5000
"""Characters of them that are looked at."""


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """Where a request went and as whom, for the text of an error."""

    host: str
    path: str
    advice: str = ""
    account_id: int | None = None


@dataclass(kw_only=True)
class AmocrmResolution(ErrorResolution):
    """The CDK's resolution, its rule, and the error to raise if nothing helps; None for a success."""

    rule: Rule
    error: AmocrmError | None


class AmocrmErrorHandler(ErrorHandler):
    """Applies the table of rules to one host, which `sign_in` names. It keeps nothing about a request."""

    def __init__(self, policy: RetryPolicy, sign_in: SignIn, where: Where = Where.API) -> None:
        self._policy = policy
        self._sign_in = sign_in
        self._where = where

    @property
    def max_retries(self) -> int:
        return self._policy.attempts - 1

    @property
    def max_time(self) -> int:
        """Deadline of one request with its retries (seconds). Time spent waiting for the rate limit does not count."""
        return int(self._policy.ceiling)

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> AmocrmResolution:
        reply = reply_of(response_or_exception)
        return self._resolution(classify(reply, self._where), reply, response_or_exception)

    def error(
        self, rule: Rule, reply: Reply, response_or_exception: object, kind: type[AmocrmError] | None = None
    ) -> AmocrmError:
        """Makes the rule's error for this answer, of `kind` or the rule's own."""
        sign_in, path = self._sign_in, ""
        if isinstance(response_or_exception, AmocrmResponse | NoAnswer) and response_or_exception.request is not None:
            path = path_of(response_or_exception.request.url, sign_in.base_url)
        target = RequestTarget(sign_in.domain, path, sign_in.advice, sign_in.account_id)
        return explain(rule, reply, target, self._policy, kind)

    def _resolution(self, rule: Rule, reply: Reply, response_or_exception: object) -> AmocrmResolution:
        succeeded = rule.action is ResponseAction.SUCCESS
        error = None if succeeded else self.error(rule, reply, response_or_exception)
        return AmocrmResolution(rule.action, rule.failure, str(error) if error else None, rule=rule, error=error)


def path_of(url: str | None, base_url: str) -> str:
    """The path of an address, without the query: /api/v4/leads."""
    return urlsplit(url or "").path.removeprefix(urlsplit(base_url).path)


def classify(reply: Reply, where: Where = Where.API) -> Rule:
    """The first rule of the table that fits."""
    status = reply.meant_status
    for rule in TABLE:
        when = rule.when
        # a rule without a status is for exchanges without an answer, and for no others
        if (
            (when.status is None if status is None else when.status is not None and status in when.status)
            and (not when.where or where in when.where)
            and (not when.kinds or reply.kind in when.kinds)
            and (not when.codes or not _codes(reply.body).isdisjoint(when.codes))
            and (not when.says or any(text in _words(reply.body).lower() for text in when.says))
        ):
            return rule
    raise AssertionError(f"no rule for {status} {reply.kind}")


def explain(
    rule: Rule, reply: Reply, target: RequestTarget, policy: RetryPolicy, kind: type[AmocrmError] | None = None
) -> AmocrmError:
    """Makes an error of `kind`, or the rule's own: its sentence, and the ids by which support finds the request."""
    sentence = rule.message.format(
        host=target.host,
        subdomain=target.host.partition(".")[0],
        account=target.account_id or "(see «Настройки» → «Общие настройки»)",
        path=target.path,
        detail=_detail(reply),
        advice=target.advice,
        minutes=round(policy.throttled_ceiling / 60),
    ).strip()
    ids = {"X-Request-Id": reply.headers.get("X-Request-Id"), "trace_id": (reply.body or {}).get("trace_id")}
    traces = ", ".join(
        f"{name} {mask(str(text))}" for name, text in ids.items() if re.fullmatch(r"[\w.:/+=-]{1,100}", str(text or ""))
    )
    seen = f"{reply.status} ({reply.kind.value})" if reply.status else reply.kind.value
    internal = " ".join(filter(None, [f"{target.path} at {target.host}: {seen}.", reply.trouble, traces]))
    message = f"{sentence} [{traces}]" if traces else sentence
    return (kind or rule.error)(
        message, failure_type=rule.failure, status=reply.status, path=target.path, internal_message=internal
    )


def _codes(body: Mapping[str, Any] | None) -> set[int]:
    """amoCRM's error numbers in a body; generations of its API put them in different members."""
    if body is None:
        return set()
    parts = [part for part in (body, body.get("response"), body.get("error")) if isinstance(part, Mapping)]
    texts = [str(part.get(name)) for part in parts for name in ("code", "error_code")]
    return {int(text) for text in texts if re.fullmatch(r"\d{1,6}", text, re.ASCII)}


def _words(body: Mapping[str, Any] | None) -> str:
    if body is None:
        return ""
    found = [body.get(key) for key in ("hint", "detail", "title", "message", "error")]
    problems = body.get("validation-errors")
    for problem in problems if isinstance(problems, list) else []:
        errors = problem.get("errors") if isinstance(problem, Mapping) else None
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, Mapping):
                found.append(f"{error.get('path')}: {error.get('detail')}")
    return ", ".join(dict.fromkeys(text for text in found if isinstance(text, str) and text.strip()))


def _detail(reply: Reply) -> str:
    """What the answer itself says, in brackets for a sentence; empty if it says nothing."""
    words = _words(reply.body)
    if reply.status is not None and 300 <= reply.status < 400:
        try:
            host = urlsplit(reply.headers.get("Location", "")).hostname or ""
        except ValueError:
            host = ""
        words = f"to {host}" if is_service_host(host) else ""
    text = " ".join("".join(c if c.isprintable() else " " for c in words[:_LONGEST_WORDS]).split())
    return f" ({mask(text)[:_LONGEST_DETAIL]})" if text else ""
