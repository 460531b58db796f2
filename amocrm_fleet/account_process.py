"""The sync, verification, publication and check of one account, in its process. The fork server imports it once."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.status import LastPublication, LastSync, LastVerification
from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.kept_options import Kept
from amocrm_warehouse.live_line import Tell, live_line
from amocrm_warehouse.publish.published_tables import MARTS
from source_amocrm.auth import FileKeeper
from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator
from source_amocrm.config import check_shape
from source_amocrm.config_file import ConfigFileError
from source_amocrm.entrypoint import opened, printable, unforeseen, verdict
from source_amocrm.errors import AmocrmError
from source_amocrm.secrecy import hide_in_logs
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import FixedStream


def sync(
    account: FleetAccount,
    to: str,
    streams: list[str] | None,
    without: Collection[str],
    kept: Kept,
    load: Callable[..., Any],
    tell: Tell,
) -> LastSync:
    """Brings the account's tables up to date. `load`: the function that loads them."""
    _prepare(account)
    try:
        private = account.make_private()
        with live_line(tell=tell) as line:
            done = load(
                account.path.absolute(),
                to=to,
                project=account.project,
                streams=streams,
                without=without,
                count=False,
                line=line,
                **vars(kept),
            )
    except ValueError as error:
        return LastSync(failures=[str(error)], lasting=isinstance(error, ConfigFileError))
    notices = [*private, *done.notices]
    return LastSync(
        received(done.received),
        round(done.seconds, 1),
        done.errors,
        notices,
        done.config_error,
        done.requests,
        round(time.process_time(), 1),
        done.size,
    )


def verify(
    account: FleetAccount, to: str, requests: int | None, compare: Callable[..., Any], tell: Tell
) -> LastVerification:
    """Compares the account's tables with the account. `compare`: the function that does so."""
    _prepare(account)
    budget = {} if requests is None else {"requests": requests}
    try:
        private = account.make_private()
        found = compare(account.path.absolute(), to, account.project, tell=tell, **budget)
    except DATABASE_ERRORS as error:
        return LastVerification(2, f"The database cannot be read: {why(error)}")
    except ValueError as error:
        return LastVerification(2, str(error))
    notices = [*private, *found.advice(), *filter(None, [found.not_kept])]
    return LastVerification(found.exit_code, found.sentence(), found.differences, notices)


def publish(
    account: FleetAccount, source: str, to: str, only: Sequence[str], move: Callable[..., Any], tell: Tell
) -> LastPublication:
    """Replaces the account's rows in the warehouse. `move`: the function that does so."""
    _prepare(account)
    try:
        with live_line(sys.stderr, tell) as line:
            [counts] = move(source, to, projects=[account.project], only=only or [MARTS], line=line).values()
    except DATABASE_ERRORS as error:
        return LastPublication(failure=f"The database cannot be read: {why(error)}")
    except ValueError as error:
        return LastPublication(failure=str(error))
    return LastPublication(sum(counts.values()), len(counts))


def check(account: FleetAccount) -> tuple[bool, str]:
    """Whether the account can be read, and the sentences about it."""
    _prepare(account)
    try:
        private = account.make_private()
        settings = account.settings()
        check_shape(settings)
        return True, printable("\n".join([verdict(opened(settings, FileKeeper(account))), *private]))
    except (AmocrmError, ConfigFileError) as error:
        return False, printable(str(error))
    except Exception as error:
        logging.getLogger().exception("An unforeseen error")
        return False, unforeseen(error)


def received(rows: Counter[str]) -> int:
    """Counts the rows as a sync does. If only built-in dictionaries came, which amoCRM does not answer, there are 0."""
    return rows.total() if any(rows[name] for name in rows if not is_built_in(name)) else 0


def is_built_in(stream: str) -> bool:
    return stream in STREAMS and issubclass(STREAMS[stream], FixedStream)


def _prepare(account: FleetAccount) -> None:
    """Makes log lines carry the time and no secret, and makes the advice in sign-in errors fit a fleet."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().handlers = [handler]
    hide_in_logs()
    LongLivedTokenAuthenticator.advice = (
        f"Create a new long-lived token in the account's integration and put it into {account.path}."
    )
    AmocrmOAuth2Authenticator.advice = (
        f"Grant access again: `source-amocrm connect --config {account.path}`, or send the account's administrator a "
        "new link (`source-amocrm invite`)."
    )
