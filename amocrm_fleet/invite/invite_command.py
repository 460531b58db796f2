"""`source-amocrm invite`: prints links to send to administrators, and serves the page that they open."""

from __future__ import annotations

import argparse
import math
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import LONGEST_NAME, short_name
from amocrm_fleet.invite.button import AMOCRM, Button
from amocrm_fleet.invite.granted_account import Landing, tell
from amocrm_fleet.invite.grants import Grants
from amocrm_fleet.invite.invitations import DAY, Invitation, Invitations
from amocrm_fleet.invite.invite_site import InvitationSite, PageAddress
from source_amocrm.arguments import ArgumentParser
from source_amocrm.config.trusted_hosts import account_domain, base_url
from source_amocrm.connect.connect_words import LANGUAGES
from source_amocrm.connect.signin import is_kommo
from source_amocrm.errors import ConfigError
from source_amocrm.run import install_command
from source_amocrm.shutdown import INTERRUPTED

PORT = 8766
LANDINGS = 16
"""Accounts that sign in at the same time. Further ones wait, and their page says so."""
_WRONG_USAGE = 2


def main(arguments: list[str]) -> int:
    """Serves the page until it is interrupted, unless an option asks for less. Returns the exit code."""
    options = _parser().parse_args(arguments)
    invitations = Invitations(options.accounts)
    try:
        if options.list:
            return _list(invitations)
        if options.revoke:
            return _revoke(invitations, options.revoke)
        return _invite(options, invitations)
    except ConfigError as error:
        tell(str(error))
        return _WRONG_USAGE
    except FleetError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _list(invitations: Invitations) -> int:
    """Prints the invitations, the open ones first."""
    found = invitations.all()
    if not found:
        print("There are no invitations.")
        return 0
    rows = [(shown, *_facts(one, invitations.is_over(one))) for shown, one in found]
    width = max(len(who) for _, who, *_ in rows)
    for shown, who, _, state in sorted(rows, key=lambda row: row[2]):
        print(f"{shown}  {who:<{width}}  {state}")
    return 0


def _facts(one: Invitation, over: bool) -> tuple[str, int, str]:
    """Returns who is invited, the rank of the invitation's state, and the state."""
    service = "any Kommo account" if one.kommo else "any amoCRM account"
    who = f"{one.label}: {one.account or service}" if one.label else one.account or service
    day = f"{datetime.fromtimestamp(one.until, timezone.utc):%Y-%m-%d}"
    if one.used_by:
        return who, 1, f"connected {one.used_by}"
    return (who, 2, f"over since {day}") if over else (who, 0, f"open until {day}")


def _revoke(invitations: Invitations, ids: list[str]) -> int:
    unknown = [one for one in ids if not invitations.revoke(one)]
    for one in unknown:
        tell(f"there is no invitation “{one}”: --list shows their IDs.")
    print(f"{len(ids) - len(unknown)} of {len(ids)} revoked.")
    return 1 if unknown else 0


def _invite(options: argparse.Namespace, invitations: Invitations) -> int:
    """Raises ConfigError, and FleetError, before a link is made that nobody could serve."""
    if not options.links_only and find_spec("waitress") is None:
        raise FleetError(f"the page needs more than the connector: {install_command('fleet')}")
    public_url = _public_url(options.public_url)
    api_base_url = base_url(options.api_base_url)
    invited = [account_domain(address) for address in options.account]
    links = [_link(public_url, invitations, options, account) for account in invited or [""] * options.count]
    _print_links(links, options.days)
    return 0 if options.links_only else _serve(options, public_url, api_base_url, invitations)


def _public_url(address: str | None) -> str:
    with suppress(ConfigError):
        if url := base_url(address):
            return url
    raise ConfigError(
        "--public-url: give the https:// address at which your proxy serves this page, with nothing behind it."
    )


def _link(public_url: str, invitations: Invitations, options: argparse.Namespace, account: str) -> str:
    kommo = is_kommo(account) if account else options.kommo
    key = invitations.new(options.days, kommo=kommo, account=account, label=options.label, sender=options.sender)
    return f"{public_url}/i/{key}" + (f"   {account}{_shortened(account)}" if account else "")


def _shortened(account: str) -> str:
    """Says which name the account gets if its subdomain is longer than an account's name may be."""
    label = account.partition(".")[0]
    name = short_name(label)
    return "" if name == label else f" (will be called {name}: a name has {LONGEST_NAME} letters at most)"


def _print_links(links: list[str], days: float) -> None:
    if links:
        until = datetime.fromtimestamp(datetime.now(timezone.utc).timestamp() + days * DAY, timezone.utc)
        print(
            f"Send each link to an administrator of one account. Each connects one account, until {until:%Y-%m-%d}:\n"
        )
        print("\n".join(f"  {link}" for link in links), "\n", flush=True)


def _serve(options: argparse.Namespace, public_url: str, api_base_url: str | None, invitations: Invitations) -> int:
    from amocrm_fleet.invite.invite_server import InvitationServer

    address = PageAddress(public_url, options.port, options.consent_url)
    redirect_uri = Button(public_url, AMOCRM).redirect_uri
    landing = Landing(options.accounts, invitations, redirect_uri, api_base_url, options.run, options.chat_texts)
    with ThreadPoolExecutor(LANDINGS) as pool:
        site = InvitationSite(address, landing, Grants(), options.language, pool.submit)
        try:
            server = InvitationServer(site, options.port, options.listen, options.proxy)
        except OSError as error:
            tell(f"cannot listen on {options.listen}:{options.port}: {error.strerror}.")
            return 1
        print(f"The page listens on http://{options.listen}:{options.port} for your proxy. Ctrl-C ends it.", flush=True)
        # after an interrupt the pool still finishes the landings that run: a code cannot be used twice
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.run()
        server.close()
    return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="source-amocrm invite",
        description="Invite administrators of amoCRM or Kommo accounts: each opens a link and presses one button, and "
        "the account's config lands in a folder. The page is for a proxy of yours that serves it at --public-url.",
    )
    parser.add_argument("--public-url", metavar="URL", help="https:// address that your proxy serves")
    parser.add_argument("--accounts", type=Path, default=Path("accounts"), metavar="FOLDER", help="where configs land")
    parser.add_argument("--count", type=int, default=1, help="new links for any account; 0 only serves (default: 1)")
    parser.add_argument(
        "--account", action="append", default=[], metavar="ADDRESS", help="a link for this account alone; repeatable"
    )
    parser.add_argument("--kommo", action="store_true", help="the links without an account are for Kommo")
    parser.add_argument(
        "--label", type=_words, default="", help="who is invited, as the page says it: a company's name"
    )
    parser.add_argument("--from", type=_words, default="", dest="sender", metavar="NAME", help="who invites: your name")
    parser.add_argument("--days", type=_days, default=7, help="how long a link works (default: 7)")
    parser.add_argument("--links-only", action="store_true", help="print links for a page that is served already")
    parser.add_argument("--list", action="store_true", help="print the invitations and what became of each")
    parser.add_argument(
        "--revoke", action="append", default=[], metavar="ID", help="make a link useless: its ID of --list, or the link"
    )
    parser.add_argument("--run", default="", metavar="COMMAND", help="run with each new config's path behind it")
    parser.add_argument(
        "--chat-texts", action="store_true", help="ask for the texts of chats too, one access more, and read them"
    )
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="for the proxy (default: 127.0.0.1)")
    parser.add_argument(
        "--proxy", default="127.0.0.1", metavar="ADDRESS", help="the proxy's own, to believe its X-Forwarded-For"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"for the proxy (default: {PORT})")
    parser.add_argument("--language", choices=LANGUAGES, help="of the page; default: the browser's")
    parser.add_argument("--consent-url", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--api-base-url", metavar="URL", help="for tests and proxies: requests go there")
    return parser


def _days(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError("a number of days above 0")


def _words(text: str) -> str:
    clean = " ".join(text.split())
    if len(clean) > 100 or not clean.isprintable():
        raise argparse.ArgumentTypeError("a name of at most 100 letters")
    return clean
