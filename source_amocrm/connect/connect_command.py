"""`source-amocrm connect`: the command line, which opens the page or asks at the terminal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from source_amocrm import atomic_file
from source_amocrm.airbyte.broken_stdout import show_any_text
from source_amocrm.arguments import ArgumentParser
from source_amocrm.browser import open_in_browser
from source_amocrm.config.trusted_hosts import base_url
from source_amocrm.connect.connect_flow import Flow
from source_amocrm.connect.connect_server import Server
from source_amocrm.connect.connect_site import Site
from source_amocrm.connect.connect_words import LANGUAGES, Texts, preferred
from source_amocrm.connect.terminal import Terminal
from source_amocrm.errors import ConfigError
from source_amocrm.shutdown import INTERRUPTED

CONNECT_PORT = 8765


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 if config.json has been written."""
    show_any_text()
    options = _parser().parse_args(arguments)
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    words = Texts(options.language or preferred(locale))
    try:
        api_base_url = base_url(options.api_base_url)
    except ConfigError:
        print(words("terminal.bad_api_base_url"), file=sys.stderr)
        return 2
    if not atomic_file.may_be_written(options.config):
        print(words("problem.file_not_written", path=options.config), file=sys.stderr)
        return 1
    flow = Flow(options.config, options.port, options.consent_url, api_base_url, options.chat_texts)
    try:
        return Terminal(flow, words).run() if options.no_browser else _page(flow, words, options.language)
    except EOFError:
        print(f"\n{words('terminal.ended')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{words('terminal.not_saved')}" if not flow.saved else "", file=sys.stderr)
        return 0 if flow.saved else INTERRUPTED


def _page(flow: Flow, words: Texts, language: str | None) -> int:
    port = flow.port
    try:
        server = Server(port)
    except OSError:
        other = port + 1 if port < 65535 else CONNECT_PORT
        print(words("terminal.port_taken", port=port, other=other), file=sys.stderr)
        return 1
    with server:
        server.site = Site(flow, language, server.finish)
        link = server.site.link
        opened = open_in_browser(link)
        print(f"{words('terminal.opened' if opened else 'terminal.link')}\n\n  {link}\n", flush=True)
        print(words("terminal.stop"), flush=True)
        server.serve_forever(poll_interval=0.1)
    print(words("result.saved", path=flow.config) if flow.saved else words("terminal.not_saved"), flush=True)
    return 0 if flow.saved else 1


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="source-amocrm connect",
        description="Connect an amoCRM or Kommo account: a page on this computer leads through it and writes the "
        "settings for the connector. Подключить аккаунт amoCRM или Kommo.",
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config.json"), metavar="PATH", help="where to write (default: config.json)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="ask at the terminal instead: for a machine without a browser"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=CONNECT_PORT,
        help=f"port of the page on localhost, and in the redirect URI (default: {CONNECT_PORT})",
    )
    parser.add_argument(
        "--chat-texts",
        action="store_true",
        help="read the texts of chats too, which needs one more access (default: as config.json has it)",
    )
    parser.add_argument("--language", choices=LANGUAGES, help="default: the browser's, or the terminal's")
    parser.add_argument("--consent-url", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--api-base-url", metavar="URL", help="for tests and proxies: requests go there")
    return parser


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number
