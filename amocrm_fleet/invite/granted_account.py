"""Turns a grant's code and integration keys into an account in the folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount, add, check_free, configs, make_private, short_name
from amocrm_fleet.invite.grants import Landed, PendingGrant
from amocrm_fleet.invite.invitations import Invitation, Invitations
from amocrm_fleet.locks import account_held
from source_amocrm.config.trusted_hosts import is_account_host
from source_amocrm.config_file import ConfigFileError
from source_amocrm.connect import signin
from source_amocrm.connect.connect_flow import is_of_account, renewed
from source_amocrm.connect.connect_words import Problem, Texts
from source_amocrm.connect.signin import Verdict, verify

_OF_THE_CODE = (
    "code_used", "code_expired", "not_issued", "unknown_integration", "other_redirect_uri", "exchange_refused"
)  # fmt: skip
"""Refusals of a code, whose sentences speak to a person who copied it. Here amoCRM's button brought it."""
_TEMPORARY = ("throttled", "unreachable", "unexpected")
"""Problems that prevent a check for now. The account lands nevertheless, because its code cannot be used twice."""
SYNC_ENDS_WITHIN = 20 * 60.0
"""Wait for a running sync of the same account (seconds). Past that the config is written while the sync runs."""
_POLL = 0.5
"""Time between two attempts to lock the account (seconds)."""


@dataclass(frozen=True)
class Landing:
    """The folder in which accounts land, and how they are connected.

    `command`: run with the path of each new config as its last argument; "" for none. `chat_texts`: whether to read the
    texts of chats.
    """

    accounts: Path
    invitations: Invitations
    redirect_uri: str
    api_base_url: str | None = None
    command: str = ""
    chat_texts: bool = False

    def land(self, grant: PendingGrant) -> Landed:
        """Signs in, checks the account, spends the invitation and writes the config.

        Raises Problem without names or paths of the folder, which go to the operator; the invitation stays unspent.
        """
        assert grant.keys
        domain = grant.referer.strip().lower()
        try:
            _check_account(domain, self.invitations.find(grant.invitation))
            make_private(self.accounts)
            name = self._name(domain)
            keys = signin.Keys(*grant.keys, self.redirect_uri)
            credentials = self._exchanged(domain, keys, grant.code)
            settings = signin.settings_of(domain, self.api_base_url, credentials, self.chat_texts)
            verdict = _checked(settings)
            if not self.invitations.claim(grant.invitation, domain):
                raise Problem("invitation_spent")
            with self._released_on_failure(grant):
                account = self._write(name, settings)
        except (ConfigFileError, OSError) as error:
            reason = f"{self.accounts}: {error.strerror}." if isinstance(error, OSError) else str(error)
            tell(f"{domain} was allowed and could not be kept. {reason}")
            raise Problem("account_not_kept") from None
        tell(f"{domain} is connected: {account.path}.")
        if self.command:
            subprocess.Popen([*shlex.split(self.command), str(account.path)])
        return Landed(domain, verdict)

    def _exchanged(self, domain: str, keys: signin.Keys, code: str) -> dict[str, Any]:
        """Returns the credentials for a code. Tells the operator why there are none."""
        try:
            return signin.exchange(domain, self.api_base_url, keys, code)
        except Problem as problem:
            tell(f"{domain} was allowed and is not connected. {Texts('en').problem(problem)} {problem.detail}".rstrip())
            raise Problem("grant_refused") if problem.key in _OF_THE_CODE else problem from None

    @contextmanager
    def _released_on_failure(self, grant: PendingGrant) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.invitations.release(grant.invitation)
            raise

    def _name(self, domain: str) -> str:
        """Returns the name that the account has already, else its subdomain or, if another account has that name, the
        address as a name. Raises FleetError."""
        possible = (short_name(domain.partition(".")[0]), short_name(domain.replace(".", "-")))
        own = [one.name for one in configs(self.accounts) if is_of_account(_present_config(one) or {}, domain)]
        free = [name for name in possible if not (self.accounts / f"{name}.json").exists()]
        if not own and not free:
            raise FleetError(f"The names that {domain} could have in {self.accounts} are taken by other accounts.")
        name = [*own, *free][0]
        check_free(self.accounts, name)
        return name

    def _write(self, name: str, settings: Mapping[str, Any]) -> FleetAccount:
        account = FleetAccount(self.accounts / f"{name}.json")
        with _held_after_a_sync(account):
            present = _present_config(account)
            return add(self.accounts, renewed(present, settings), name, replace=present is not None)


def tell(sentence: str) -> None:
    """Writes a line for the operator to stderr."""
    print(f"source-amocrm invite: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def _held_after_a_sync(account: FleetAccount) -> Iterator[None]:
    """Locks the account as a sync does, so that neither overwrites the other's tokens."""
    until = time.monotonic() + SYNC_ENDS_WITHIN
    with ExitStack() as stack:
        while time.monotonic() < until:
            try:
                stack.enter_context(account_held(account))
                break
            except FleetError:
                time.sleep(_POLL)
        yield


def _present_config(account: FleetAccount) -> dict[str, Any] | None:
    """Reads the config file that the account has already: None if there is none, {} if it cannot be read."""
    if not account.path.exists():
        return None
    try:
        return account.written()
    except ConfigFileError:
        return {}


def _check_account(domain: str, invitation: Invitation | None) -> None:
    """Raises Problem unless `domain` is the invited account and a host of amoCRM's, to which keys may be sent."""
    if not is_account_host(domain):
        raise Problem("foreign_referer")
    if invitation is None or invitation.used_by:
        raise Problem("invitation_spent")
    if invitation.account and invitation.account != domain:
        raise Problem("not_the_invited_account", {"granted": domain, "domain": invitation.account})


def _checked(settings: Mapping[str, Any]) -> Verdict | None:
    try:
        return verify(settings)
    except Problem as problem:
        if problem.key in _TEMPORARY:
            return None
        raise
