"""What can go wrong on the way to a connected account, as keys of sentences in the words of each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from source_amocrm import errors
from source_amocrm.errors import AmocrmError


@dataclass(eq=False)
class Problem(Exception):
    """`words["problem." + key]` says what happened and what to do next.

    `params` fill its gaps, `detail` is amoCRM's own answer for the curious, `at` the form field that is to be mended.
    None of them ever holds a secret.
    """

    key: str
    params: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    at: str = ""


# The first class that fits: subclasses stand before their parents
_KEYS: tuple[tuple[type[AmocrmError], str], ...] = (
    (errors.CodeUsed, "code_used"),
    (errors.CodeExpired, "code_expired"),
    (errors.NotIssued, "not_issued"),
    (errors.UnknownIntegration, "unknown_integration"),
    (errors.OtherRedirectUri, "other_redirect_uri"),
    (errors.Unauthorized, "token_rejected"),
    (errors.Unpaid, "unpaid"),
    (errors.Forbidden, "no_rights"),
    (errors.IpRefused, "ip_refused"),
    (errors.Blocked, "blocked"),
    (errors.NotFound, "no_account"),
    (errors.Moved, "no_account"),
    (errors.Throttled, "throttled"),
    (errors.Unavailable, "unreachable"),
)


def problem_of(error: AmocrmError, host: str) -> Problem:
    """The sentence for a failure of a request to `host`."""
    for kind, key in _KEYS:
        if isinstance(error, kind):
            return Problem(key, {"host": host}, detail=str(error))
    return Problem("unexpected", {"host": host}, detail=str(error))
