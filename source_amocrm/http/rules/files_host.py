"""What the host of files may answer. Nothing here stops the other streams: its refusals are its own, and a new token is
asked for only where the account itself refuses the old one.
"""

from __future__ import annotations

from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction as Action

from source_amocrm.errors import (
    Moved,
    NotFound,
    NotGranted,
    Unavailable,
)
from source_amocrm.http.body import Kind
from source_amocrm.http.rules.rule import CONFIG, SYSTEM, TRANSIENT, Rule, Where

_DRIVE = (Where.DRIVE,)
_NOT_GRANTED = (
    "amoCRM's host of files, {host}, does not let the token in{detail}. Where files are wanted, tick «Доступ к файлам» "
    "in the integration, and then grant access again or create a new token; else leave the table out."
)

FILES_HOST: tuple[Rule, ...] = (
    Rule(
        "the drive does not take the token",
        (401,),
        Action.REFRESH_TOKEN_THEN_RETRY,
        _NOT_GRANTED,
        NotGranted,
        CONFIG,
        where=_DRIVE,
    ),
    Rule("the drive lets nobody in", (403,), Action.FAIL, _NOT_GRANTED, NotGranted, CONFIG, where=_DRIVE),
    Rule(
        "no drive",
        (404,),
        Action.FAIL,
        "amoCRM's host of files, {host}, does not know {path}{detail}. Run the sync again later; if it "
        "repeats, leave the table out.",
        NotFound,
        CONFIG,
        where=_DRIVE,
    ),
    Rule(
        "the drive leads elsewhere",
        range(300, 400),
        Action.FAIL,
        "amoCRM's host of files, {host}, leads elsewhere{detail}, where the token is not sent. Run the sync again; if "
        "it repeats, leave the table out and report it with this text.",
        Moved,
        SYSTEM,
        where=_DRIVE,
    ),
    Rule(
        "the drive's host name is not found",
        None,
        Action.RETRY,
        "The network does not know amoCRM's host of files, {host} (DNS). Let the machine where this connector runs "
        "reach it, or leave the table out.",
        Unavailable,
        TRANSIENT,
        kinds=(Kind.DNS,),
        where=_DRIVE,
    ),
)
