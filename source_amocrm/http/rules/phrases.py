"""Phrases that the messages of several families of rules share."""

from __future__ import annotations

from source_amocrm.http.body import LARGEST

AGAIN = "Try again later; what a sync has read is kept."
TOO_LARGE = (
    f"amoCRM's answer to {{path}} is too large: more than {LARGEST >> 20} MB, or more than fits into the memory that is"
    " allowed for one. Smaller pages were tried where the list has pages. Run the sync again later; if it "
    "repeats, report it to amoCRM support with the address of the list."
)
