"""Which parts of amoCRM an account has: lists that are off, and lists that break off after their first rows.

A part that is off has no rows. Every other refusal is a failure: what the list held yesterday is still there, and
nobody has seen it. Not paid for (402) and no rights (403) never mean that a part is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import FailureType

from source_amocrm.errors import AmocrmError, FeatureOff, NotFound, beginning_with
from source_amocrm.walk import Listing, Row
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.full import full


@dataclass(frozen=True)
class Off:
    """The list at `path` and those below it may be off, and then answer with one of the `answers`.

    `setting`: what `/account` says of the part. Where it `is_on` by that, such an answer is a failure all the same.
    """

    path: str
    answers: tuple[type[AmocrmError], ...]
    setting: str | None = None
    is_on: Callable[[Any], bool] = lambda _: False


MODE, NO_CUSTOMERS = "customers_mode", ("unavailable", "disabled")
"""The setting of the lists of customers, and its values with which these need not be asked."""
OFF = (
    # amoCRM documents 422 for the statuses where customers are not led by expected purchases.
    Off("/api/v4/customers/statuses", (FeatureOff,), MODE, ("periodicity",).__contains__),
    # amoCRM documents 422 for segments, and so for their fields, where customers are not led by segments.
    Off("/api/v4/customers/segments", (FeatureOff,), MODE, ("segments",).__contains__),
    # Customers and their notes, tags, fields and purchases: 422, or the codes 425 (not available) and 426 (off).
    Off("/api/v4/customers", (FeatureOff,), MODE, ("segments", "periodicity").__contains__),
    # The list is in no index of amoCRM's, so that it is not known what it answers where the setting is off.
    Off("/api/v4/leads/loss_reasons", (FeatureOff, NotFound), "is_loss_reason_enabled", bool),
    # What waits in «Неразобранное» is nothing where the setting is off. Where the setting is not told, it may be on.
    Off("/api/v4/leads/unsorted", (FeatureOff, NotFound), "is_unsorted_on", lambda told: told is not False),
    # No setting tells of talks. Their list is documented since July 2026; before, there was no such address.
    Off("/api/v4/talks", (NotFound,)),
    # Bots are listed on Kommo's larger plans only, and no setting tells of them.
    Off("/api/v4/bots", (NotFound,)),
    # An account that names no host of files has none; what a host answers that it names is another matter.
    Off("/v1.0/files", (FeatureOff,), "drive_url", bool),
)


def _part_of(path: str | None) -> Off | None:
    return next((off for off in OFF if f"{path}/".startswith(f"{off.path}/")), None)


def is_off(error: AmocrmError, account: Callable[[], Mapping[str, Any]]) -> bool:
    """Whether this refusal means that the part is off; `account` returns what `/account` says."""
    off = _part_of(error.path)
    if off is None or not isinstance(error, off.answers):
        return False
    return off.setting is None or not off.is_on(account().get(off.setting))


def off_by_settings(path: str, account: Callable[[], Mapping[str, Any]]) -> FeatureOff | None:
    """Returns why a list need not be asked for; None if it must be."""
    off = _part_of(path)
    mode = account().get(MODE) if off and off.setting == MODE else None
    return FeatureOff(f"Customers are {mode} in the account.", path=path) if mode in NO_CUSTOMERS else None


@contextmanager
def reading(listing: Listing) -> Iterator[None]:
    """Encloses the reading of a list: once a row has come, a refusal means that it broke off, not that it is off.

    Such a failure is transient.
    """
    try:
        yield
    except (FeatureOff, NotFound) as error:
        if listing.begun.is_set() and error.path == listing.path:
            sentence = "A list that amoCRM had begun to give broke off, and was not read to its end."
            raise beginning_with(sentence, error, FailureType.transient_error) from None
        raise


def whole(listing: Listing) -> list[Row]:
    """Reads a short list whole."""
    with reading(listing):
        return full(listing)


def in_parts(listing: Listing) -> Iterator[Row]:
    """As `whole`, for a list of any length: each row once, in the order of ids where the list can be had so."""
    with reading(listing):
        for page in in_id_order(listing):
            yield from page.rows
