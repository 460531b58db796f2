"""Answers of a status below 400."""

from __future__ import annotations

from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    Moved,
    PageTooLarge,
    Unavailable,
)
from source_amocrm.http.body import Kind
from source_amocrm.http.rules.rule import AGAIN, CONFIG, SYSTEM, TOO_LARGE, TRANSIENT, Rule

_SUCCESS = range(200, 300)

ANSWERS: tuple[Rule, ...] = (
    Rule("an answer", range(200, 203), Action.SUCCESS, kinds=(Kind.OBJECT,)),
    Rule("nothing found", (204,), Action.SUCCESS),
    Rule(
        "too large an answer",
        _SUCCESS,
        Action.REDUCE_PAGE_SIZE,
        TOO_LARGE,
        PageTooLarge,
        SYSTEM,
        kinds=(Kind.TOO_LARGE,),
    ),
    Rule(
        "a web page instead of data",
        _SUCCESS,
        Action.RETRY,
        "amoCRM answered {path} with a web page instead of data, again and again; usually it is under maintenance. "
        + AGAIN,
        Unavailable,
        TRANSIENT,
        kinds=(Kind.HTML,),
        doubtful=True,
    ),
    Rule(
        "an empty or broken body",
        _SUCCESS,
        Action.RETRY,
        "amoCRM answered {path} with an empty or broken body, again and again. " + AGAIN,
        Unavailable,
        TRANSIENT,
        doubtful=True,
    ),
    Rule(
        "the address leads elsewhere",
        range(300, 400),
        Action.FAIL,
        "The address {host} leads elsewhere{detail}: the account may have been renamed or moved. Put the address that "
        "your browser shows when amoCRM is open into the account address (account_domain).",
        Moved,
        CONFIG,
    ),
)
