"""The errors that a person may see, and how several of them become one sentence."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Sequence
from typing import TypeVar

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, FailureType, StreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.secrecy import mask

E = TypeVar("E", bound=BaseException)


class AmocrmError(AirbyteTracedException):
    """A failure that we foresaw. `str()` tells the user what happened and what to do next."""

    message: str
    meaning = ""  # of the rule that fits the response
    causes: Sequence[AmocrmError] = ()  # the failures that a combined error is made of

    def __init__(
        self,
        message: str,
        *,
        failure_type: FailureType = FailureType.system_error,
        status: int | None = None,
        path: str | None = None,
        internal_message: str | None = None,
    ) -> None:
        super().__init__(internal_message, message, failure_type)
        self.status = status  # of the response, if there was one
        self.path = path  # of the request

    def as_airbyte_message(self, stream_descriptor: StreamDescriptor | None = None) -> AirbyteMessage:
        """Returns the TRACE message: the masked sentence without a stack trace, which would tell a user nothing."""
        message = super().as_airbyte_message(stream_descriptor)
        message.trace.error.stack_trace = None  # type: ignore[union-attr]
        return masked(message)


class ConfigError(AmocrmError):
    """Something in the source's settings cannot be used as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message, failure_type=FailureType.config_error)


class SyncFailed(AmocrmError):
    """Not every stream was read to its end. Each failed stream has sent a TRACE message of its own.

    `reasons`: a sentence for each reason, with the lists and the streams that it concerns. `are_refusals`: whether each
    concerns the lists of these streams alone, so that a sync without them would end well.
    """

    def __init__(self, reasons: Sequence[str], *, are_refusals: bool = False) -> None:
        super().__init__("\n".join([*reasons, "What has been read is kept."]))
        self.reasons, self.are_refusals = reasons, are_refusals


class Unauthorized(AmocrmError):
    """amoCRM does not accept the token (401), and there is no other one to try."""


class Unpaid(AmocrmError):
    """The account, or the requested part of it, is not paid for (402)."""


class Forbidden(AmocrmError):
    """The token's user has no right to this list (403)."""


class NotGranted(Forbidden):
    """The token lacks the scope of this part of amoCRM."""


class Blocked(AmocrmError):
    """amoCRM's front server refuses this IP or account altogether (403 as an HTML page)."""


class NotFound(AmocrmError):
    """There is no such address or entity (404)."""


class Moved(AmocrmError):
    """The account's address leads elsewhere (3xx)."""


class FeatureOff(AmocrmError):
    """A part of amoCRM is switched off in this account (422), so there is nothing to read."""


REFUSALS = (Unpaid, Forbidden, NotFound, FeatureOff)  # concern one list and leave the others as they are


class BadRequest(AmocrmError):
    """amoCRM did not understand the request (other 4xx)."""


class Throttled(AmocrmError):
    """amoCRM kept answering 429 for longer than we wait."""


class Unavailable(AmocrmError):
    """No usable answer within the retries: a network, an overload, a broken body."""


class PageTooLarge(Unavailable):
    """A page is too heavy for the server (504 or no answer in time) or for us: a smaller page may come."""


def json_kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def masked(message: AirbyteMessage) -> AirbyteMessage:
    """Masks the secrets that an unforeseen error may quote."""
    error = message.trace.error if message.trace else None
    if error:
        error.message = mask(error.message)
        error.internal_message = error.internal_message and mask(error.internal_message)
        error.stack_trace = error.stack_trace and mask(error.stack_trace)
    return message


def print_error(error: AirbyteTracedException) -> None:
    """Prints the TRACE message as one line. The CDK masks the finished JSON: a secret of one letter would break it."""
    line = orjson.dumps(AirbyteMessageSerializer.dump(masked(error.as_airbyte_message()))).decode()
    print(f"{line}\n", end="", flush=True)


_MOST_PATHS = 4  # lists that one sentence names; of more lists it gives the number
_IDS = re.compile(
    r" \[(?:(?:X-Request-Id|trace_id) [^\]\s,]+(?:, )?)+\]"
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*[0-9])[0-9a-f]{16,}\b",
    re.IGNORECASE,
)


def without_ids(sentence: str) -> str:
    """Returns the sentence without request and trace ids, so that equal failures have equal sentences."""
    return _IDS.sub("", sentence)


def shared_cause(error: AmocrmError) -> str:
    """Returns the sentence without ids and the list's path: equal for failures of several lists for one reason."""
    sentence = without_ids(str(error))
    return sentence.replace(error.path, "") if error.path else sentence


def _sentence(alike: Sequence[AmocrmError]) -> str:
    """Returns the sentence of failures for one reason, which names all their lists."""
    error, paths = alike[0], list(dict.fromkeys(one.path for one in alike if one.path))
    more = len(paths) - _MOST_PATHS
    named = ", ".join(paths[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
    return str(error).replace(error.path, named, 1) if error.path else str(error)


def combined_error(errors: Sequence[AmocrmError]) -> AmocrmError:
    """Returns one error for several failures: each reason once with all its lists, transient if any failure is."""
    first = errors[0]
    alike: dict[str, list[AmocrmError]] = {}
    for error in errors:
        alike.setdefault(shared_cause(error), []).append(error)
    told = {without_ids(_sentence(some)): some for some in alike.values()}
    kept = [told[bare] for bare in told if not any(bare in other and bare != other for other in told)]
    sentences = [*map(_sentence, kept)]
    if len(alike) == 1 and sentences == [str(first)]:
        return first
    passing = [error.failure_type for error in errors if error.failure_type is FailureType.transient_error]
    both = AmocrmError(" ".join(sentences), failure_type=(passing or [first.failure_type])[0], status=first.status)
    both.causes = [cause for some in kept for error in some for cause in error.causes or (error,)]
    return both


def raised_at(error: Exception) -> str:
    """Returns the file and line that raised the error, without the values that a stack trace's last line may quote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def error_copy(error: E) -> E:
    """Returns a copy of the failure with its own traceback, to be raised in another thread."""
    try:
        return copy.copy(error)
    except TypeError:  # an unforeseen class, whose `args` are not those of its __init__
        return error


def beginning_with(sentence: str, error: AmocrmError, failure_type: FailureType | None = None) -> AmocrmError:
    """Returns the failure with `sentence` before its message. `failure_type`: by default the failure's own."""
    return AmocrmError(f"{sentence} {error}", failure_type=failure_type or error.failure_type, status=error.status)
