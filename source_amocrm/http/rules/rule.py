"""What an answer means, what is done about it and what is said: one rule of the table."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction

from source_amocrm.errors import AmocrmError
from source_amocrm.http.body import LARGEST, Kind

CONFIG = FailureType.config_error
TRANSIENT = FailureType.transient_error
SYSTEM = FailureType.system_error


class Where(Enum):
    API = auto()
    REFRESH = auto()  # the token endpoint, exchanging a refresh token
    CODE = auto()  # the token endpoint, exchanging the code of a consent
    DRIVE = auto()  # the host of files


@dataclass(frozen=True, slots=True)
class Rule:
    """None and () match anything.

    `action`, in the CDK's words: SUCCESS; RETRY, it will pass; RATE_LIMITED, everyone waits; REFRESH_TOKEN_THEN_RETRY,
    another token or the account's new address may help; REDUCE_PAGE_SIZE, a smaller page may be answered; FAIL.
    `message` may use {host} {subdomain} {account} {path} {detail} {advice} {minutes}.
    """

    meaning: str
    status: Container[int] | None  # None: the exchange failed before there was a status
    action: ResponseAction
    message: str = ""
    error: type[AmocrmError] = AmocrmError
    failure: FailureType = SYSTEM
    kinds: tuple[Kind, ...] = ()
    codes: tuple[int, ...] = ()  # amoCRM's own error numbers
    says: tuple[str, ...] = ()  # any of these among the body's words, lower case
    where: tuple[Where, ...] = ()
    doubtful: bool = False  # the request may have had its effect all the same: a refresh token may be spent
    stops: bool = False  # every request fails from now on
    slow: bool = False  # a smaller page may be answered in time


AGAIN = "Try again later; what a sync has read is kept."
TOO_LARGE = (
    f"amoCRM's answer to {{path}} is too large: more than {LARGEST >> 20} MB, or more than fits into the memory that is"
    " allowed for one. Smaller pages were tried where the list has pages. Run the sync again later; if it "
    "repeats, report it to amoCRM support with the address of the list."
)
