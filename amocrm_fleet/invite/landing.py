"""From a code and the keys of an integration to an account in the folder."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amocrm_fleet import FleetError
from amocrm_fleet.account import Account
from amocrm_fleet.folder import add
from amocrm_fleet.invite.grants import Grant, Landed
from amocrm_fleet.invite.invitations import Invitation, Invitations
from source_amocrm.config.config_file import ConfigFileError
from source_amocrm.config.hosts import is_account_host
from source_amocrm.connect import signin
from source_amocrm.connect.config_file import renewed
from source_amocrm.connect.problems import Problem
from source_amocrm.connect.verify import Verdict, verify

_LATER = ("throttled", "unreachable", "unexpected")
"""Why an account that was granted cannot be read at this moment: the grant is kept, for it cannot be given twice."""


@dataclass(frozen=True)
class Landing:
    """Where accounts land. `command` is run with the path of each new config behind it, "" for none."""

    accounts: Path
    invitations: Invitations
    redirect_uri: str
    api_base_url: str | None = None
    command: str = ""

    def land(self, grant: Grant) -> Landed:
        """Signs in, checks, spends the invitation and keeps the config. Raises Problem; the invitation is left then."""
        assert grant.keys
        invitation = self.invitations.find(grant.invitation)
        domain = _account_of(grant, invitation)
        keys = signin.Keys(*grant.keys, self.redirect_uri)
        credentials = signin.exchange(domain, self.api_base_url or f"https://{domain}", keys, grant.code)
        settings = signin.settings_of(domain, self.api_base_url, credentials)
        verdict = _checked(settings)
        if not self.invitations.claim(grant.invitation, domain):
            raise Problem("invitation_spent")
        try:
            account = self._keep(domain, settings)
        except (ConfigFileError, OSError) as error:
            self.invitations.release(grant.invitation)
            raise Problem("account_not_kept", detail=str(error) if isinstance(error, FleetError) else "") from None
        if self.command:
            subprocess.Popen([*shlex.split(self.command), str(account.path)])
        return Landed(domain, verdict)

    def _keep(self, domain: str, settings: Mapping[str, Any]) -> Account:
        """The config is called as the account's address begins; where another account has that name, by its service."""
        label, _, rest = domain.partition(".")
        for name in (label, f"{label}-{rest.replace('.', '-')}"):
            held = _held(Account(self.accounts / f"{name}.json"))
            if held is None or held.get("account_domain") == domain:
                return add(self.accounts, renewed(held, settings), name, replace=held is not None)
        raise FleetError(f"The names that {domain} could have are taken by other accounts.")


def _held(account: Account) -> dict[str, Any] | None:
    """The config that has the account's name; None where there is none, {} where it cannot be read."""
    if not account.path.exists():
        return None
    try:
        return account.written()
    except ConfigFileError:
        return {}


def _account_of(grant: Grant, invitation: Invitation | None) -> str:
    """The account that granted, if it is the one that was invited. The keys are sent to no other host than amoCRM's."""
    domain = grant.referer.strip().lower()
    if not is_account_host(domain):
        raise Problem("foreign_referer")
    if invitation is None or invitation.used_by:
        raise Problem("invitation_spent")
    if invitation.account and invitation.account != domain:
        raise Problem("not_the_invited_account", {"granted": domain, "domain": invitation.account})
    return domain


def _checked(settings: Mapping[str, Any]) -> Verdict | None:
    try:
        return verify(settings)
    except Problem as problem:
        if problem.key in _LATER:
            return None
        raise
