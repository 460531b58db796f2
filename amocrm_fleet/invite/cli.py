"""`source-amocrm invite`: prints links to send to administrators, and serves the page that they open."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from amocrm_fleet.invite.button import AMOCRM, Button
from amocrm_fleet.invite.grants import Grants
from amocrm_fleet.invite.invitations import DAY, Invitations
from amocrm_fleet.invite.landing import Landing
from amocrm_fleet.invite.site import InvitationSite, Place
from source_amocrm.config.hosts import account_domain, base_url
from source_amocrm.connect.consent import is_kommo
from source_amocrm.connect.server import Server
from source_amocrm.connect.words import LANGUAGES
from source_amocrm.errors import ConfigError

PORT = 8766
_WRONG_USAGE = 2
_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """The exit code. Without `--links-only` it serves until it is interrupted."""
    given = _parser().parse_args(arguments)
    try:
        public_url = base_url(given.public_url)
        api_base_url = base_url(given.api_base_url)
        invited = [account_domain(address) for address in given.account]
    except ConfigError as error:
        print(f"source-amocrm invite: {_in_our_terms(given, error)}", file=sys.stderr)
        return _WRONG_USAGE
    assert public_url
    invitations = Invitations(given.accounts)
    try:
        links = [_link(public_url, invitations, given, account) for account in invited or [""] * given.count]
    except OSError as error:
        print(f"source-amocrm invite: {given.accounts} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    _print_links(links, given.days)
    return 0 if given.links_only else _serve(given, public_url, api_base_url, invitations)


def _link(public_url: str, invitations: Invitations, given: argparse.Namespace, account: str) -> str:
    kommo = is_kommo(account) if account else given.kommo
    key = invitations.new(given.days, kommo=kommo, account=account)
    return f"{public_url}/i/{key}" + (f"   {account}" if account else "")


def _print_links(links: list[str], days: float) -> None:
    if links:
        until = datetime.fromtimestamp(datetime.now(timezone.utc).timestamp() + days * DAY, timezone.utc)
        print(
            f"Send each link to an administrator of one account. Each connects one account, until {until:%Y-%m-%d}:\n"
        )
        print("\n".join(f"  {link}" for link in links), "\n", flush=True)


def _serve(given: argparse.Namespace, public_url: str, api_base_url: str | None, invitations: Invitations) -> int:
    place = Place(public_url, given.port, given.consent_url)
    redirect_uri = Button(public_url, AMOCRM).redirect_uri
    landing = Landing(given.accounts, invitations, redirect_uri, api_base_url, given.run)
    site = InvitationSite(place, landing, Grants(), given.language)
    try:
        server = Server[InvitationSite](given.port, lambda _: site, given.listen)
    except OSError as error:
        print(f"source-amocrm invite: cannot listen on {given.listen}:{given.port}: {error.strerror}.", file=sys.stderr)
        return 1
    with server:
        print(f"The page listens on http://{given.listen}:{given.port} for your proxy. Ctrl-C ends it.", flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return _INTERRUPTED
    return 0


def _in_our_terms(given: argparse.Namespace, error: ConfigError) -> str:
    try:
        base_url(given.public_url)
    except ConfigError:
        return "--public-url: give the https:// address at which your proxy serves this page, with nothing behind it."
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="source-amocrm invite",
        description="Invite administrators of amoCRM or Kommo accounts: each opens a link and presses one button, and "
        "the account's config lands in a folder. The page is for a proxy of yours that serves it at --public-url.",
    )
    parser.add_argument("--public-url", required=True, metavar="URL", help="https:// address that your proxy serves")
    parser.add_argument("--accounts", type=Path, default=Path("accounts"), metavar="FOLDER", help="where configs land")
    parser.add_argument("--count", type=int, default=1, help="new links for any account; 0 only serves (default: 1)")
    parser.add_argument(
        "--account", action="append", default=[], metavar="ADDRESS", help="a link for this account alone; repeatable"
    )
    parser.add_argument("--kommo", action="store_true", help="the links without an account are for Kommo")
    parser.add_argument("--days", type=float, default=7, help="how long a link works (default: 7)")
    parser.add_argument("--links-only", action="store_true", help="print links for a page that is served already")
    parser.add_argument("--run", default="", metavar="COMMAND", help="run with each new config's path behind it")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="for the proxy (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"for the proxy (default: {PORT})")
    parser.add_argument("--language", choices=LANGUAGES, help="of the page; default: the browser's")
    parser.add_argument("--consent-url", metavar="URL", help="for tests: another page to grant access on")
    parser.add_argument("--api-base-url", metavar="URL", help="for tests and proxies: requests go there")
    return parser
