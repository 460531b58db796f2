"""`python -m sandbox`: serves an account to try the connector on, until interrupted."""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from threading import Event
from typing import Any

from . import business
from .account import Account
from .faults import Faults
from .like import switches_like
from .limits import OFF, Rate
from .server import Server
from .switches import Switches

EXAMPLE, EXAMPLE_OF_TEXT = "page_max=50", """'end="empty"'"""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--leads", type=int, default=300, help="how many deals; the rest follows (300 to 200000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and time give the same account")
    parser.add_argument("--business", action="store_true", help="a firm at work (business.py) instead of random rows")
    parser.add_argument("--now", type=int, help="unix seconds the account's history ends before (default: now)")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--timezone", default="Europe/Moscow", help="of the account")
    parser.add_argument(
        "--latency", type=float, nargs=2, default=(0.0, 0.0), metavar=("MIN", "MAX"), help="seconds a request takes"
    )
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds by which a request arrives early or late")
    parser.add_argument("--rate", type=float, default=7, help="requests a second before 429; 0 is no limit")
    parser.add_argument("--token", choices=("long-lived", "oauth"), default="long-lived", help="of the printed config")
    parser.add_argument("--no-filter", action="store_true", help="the paid filter is off")
    parser.add_argument(
        "--switch",
        type=_switch,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"an answer as JSON, as {EXAMPLE}; the names, with what they mean, are in switches.py",
    )
    parser.add_argument("--like", type=_probe, metavar="PROBE", help="answer as the account of that probe.json did")
    parser.add_argument("--faults", action="store_true", help="ten kinds of failure, and false ends of lists")
    parser.add_argument("--state", type=Path, help="keep the account in that file and go on with it next time")
    parser.add_argument("--config", type=Path, help="write the config there instead of printing it")
    return parser


def _switch(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    names = [one.name for one in fields(Switches)]
    if name not in names:
        raise argparse.ArgumentTypeError(f"there is no switch “{name}”. There are: {', '.join(names)}")
    try:
        return name, json.loads(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{value}” is no JSON: write {EXAMPLE}, or {EXAMPLE_OF_TEXT}") from None


def _probe(path: str) -> Switches:
    try:
        return switches_like(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{path} is no probe.json: {error}") from None


def main(argv: list[str] | None = None) -> int:
    """Prints the address, then the configuration as JSON, and serves until Ctrl-C."""
    options = arguments().parse_args(argv)
    started = time.monotonic()
    switches = options.like or Switches()
    if options.no_filter:
        switches.filter_enabled = False
    if options.state and options.state.exists():
        account = Account.load(options.state)
    else:
        now = options.now or int(time.time())
        make = business.account if options.business else Account.generate
        account = make(options.seed, options.leads, now, switches=switches, timezone=options.timezone)
    account.switches = replace(account.switches, **dict(options.switch))
    server = Server(
        account,
        latency=tuple(options.latency),
        jitter=options.jitter,
        rate=Rate(per_second=options.rate) if options.rate else OFF,
        faults=Faults.storm(options.seed) if options.faults else None,
        port=options.port,
    )
    # a request must be counted when it arrives: not after other threads have written their answers, nor after a garbage
    # collection that walks the whole account
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    with server:
        took = time.monotonic() - started
        print(f"{len(account.tables['leads'])} deals in {took:.1f} s", file=sys.stderr)
        print(server.url, flush=True)
        config = json.dumps(server.config(oauth=options.token == "oauth"), ensure_ascii=False, indent=2)
        if options.config:
            options.config.touch(mode=0o600)
            options.config.write_text(config + "\n", encoding="utf-8")
        else:
            print(config, flush=True)
        stop = Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: stop.set())
        stop.wait()
    if options.state:
        account.save(options.state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
