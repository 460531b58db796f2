"""Classifies an answer by the tables of rules, and makes the error that says what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution, ResponseAction

from source_amocrm.auth import SignIn
from source_amocrm.config.trusted_hosts import in_words_of, is_service_host
from source_amocrm.errors import AmocrmError
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.refusals import API, Rule, Rules
from source_amocrm.http.reply import Reply, reply_of
from source_amocrm.secrecy import mask

_LONGEST_DETAIL = 300  # characters of an answer's own words that an error shows
_LONGEST_WORDS = 5000  # characters of these words that are read


@dataclass(kw_only=True)
class AmocrmResolution(ErrorResolution):
    """The CDK's resolution, with its rule and the error to raise when no attempt is left; no error for a success."""

    rule: Rule
    error: AmocrmError | None


class AmocrmErrorHandler(ErrorHandler):
    """Applies the rules to the answers of one host, which `sign_in` names. Keeps nothing of a request."""

    max_retries: int | None = None
    max_time: int | None = None

    def __init__(self, policy: RetryPolicy, sign_in: SignIn, rules: Rules) -> None:
        self.max_retries, self.max_time = policy.attempts - 1, int(policy.ceiling)
        self._minutes = round(policy.throttled_ceiling / 60)
        self._sign_in = sign_in
        self._rules = rules

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> AmocrmResolution:
        reply = reply_of(response_or_exception)
        rule = classify(reply, self._rules)
        error = None if rule.action is ResponseAction.SUCCESS else self.error(rule, reply)
        return AmocrmResolution(rule.action, rule.failure, str(error) if error else None, rule=rule, error=error)

    def error(self, rule: Rule, reply: Reply) -> AmocrmError:
        """Makes the rule's error: its sentence, and the ids by which support finds the request."""
        sign_in, path = self._sign_in, path_of(reply.url, self._sign_in.base_url)
        sentence = (
            in_words_of(sign_in.domain, rule.message)
            .format(
                host=sign_in.domain if reply.status else sign_in.server,
                subdomain=sign_in.domain.partition(".")[0],
                account=sign_in.claims.account_id
                or in_words_of(sign_in.domain, "(see «Настройки» → «Общие настройки»)"),
                path=path,
                detail=_detail(reply),
                advice=in_words_of(sign_in.domain, sign_in.advice),
                minutes=self._minutes,
            )
            .strip()
        )
        ids = {"X-Request-Id": reply.headers.get("X-Request-Id"), "trace_id": (reply.body or {}).get("trace_id")}
        known = {name: str(text) for name, text in ids.items() if re.fullmatch(r"[\w.:/+=-]{1,100}", str(text or ""))}
        traces = ", ".join(f"{name} {mask(text)}" for name, text in known.items())
        seen = f"{reply.status} ({reply.kind.value})" if reply.status else reply.kind.value
        internal = " ".join(filter(None, [f"{path} at {sign_in.domain}: {seen}.", reply.trouble, traces]))
        message = f"{sentence} [{traces}]" if traces else sentence
        error = rule.error(
            message, failure_type=rule.failure, status=reply.status, path=path, internal_message=internal
        )
        error.meaning = rule.meaning
        return error


def path_of(url: str, base_url: str) -> str:
    """The path of an address, without the query: /api/v4/leads."""
    return urlsplit(url).path.removeprefix(urlsplit(base_url).path)


def classify(reply: Reply, rules: Rules = API) -> Rule:
    """The first rule that fits."""
    status, body = reply.meant_status, reply.body or {}
    words = _words(body).lower()
    for rule in rules:
        if (
            status in rule.status
            and (not rule.kinds or reply.kind in rule.kinds)
            and (not rule.codes or not _codes(body).isdisjoint(rule.codes))
            and (not rule.says or any(text in words for text in rule.says))
            and all(body.get(name) and isinstance(body[name], str) for name in rule.holds)
        ):
            return rule
    raise AssertionError(f"no rule for {status} {reply.kind}")


def _codes(body: Mapping[str, Any]) -> set[int]:
    """amoCRM's error numbers in a body; generations of its API put them in different members."""
    parts = [part for part in (body, body.get("response"), body.get("error")) if isinstance(part, Mapping)]
    texts = [str(part.get(name)) for part in parts for name in ("code", "error_code")]
    return {int(text) for text in texts if re.fullmatch(r"\d{1,6}", text, re.ASCII)}


def _words(body: Mapping[str, Any]) -> str:
    found = [body.get(key) for key in ("hint", "detail", "title", "message", "error")]
    problems = body.get("validation-errors")
    for problem in problems if isinstance(problems, list) else []:
        errors = problem.get("errors") if isinstance(problem, Mapping) else None
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, Mapping):
                found.append(f"{error.get('path')}: {error.get('detail')}")
    return ", ".join(dict.fromkeys(text for text in found if isinstance(text, str) and text.strip()))


def _detail(reply: Reply) -> str:
    """The answer's own words in brackets, or the host that a redirect leads to; empty if there are none."""
    words = _words(reply.body or {})
    if reply.status is not None and 300 <= reply.status < 400:
        try:
            host = urlsplit(reply.headers.get("Location", "")).hostname or ""
        except ValueError:
            host = ""
        words = f"to {host}" if is_service_host(host) else ""
    text = " ".join("".join(c if c.isprintable() else " " for c in words[:_LONGEST_WORDS]).split())
    return f" ({mask(text)[:_LONGEST_DETAIL]})" if text else ""
