"""The console script: Airbyte's four commands and our own verbs."""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import attributes_doc

from source_amocrm import shutdown
from source_amocrm.airbyte.broken_stdout import guard

WRONG_USAGE = 2  # as argparse exits
AIRBYTE_COMMANDS = ("spec", "check", "discover", "read")
VERBS = {
    "catalog": ("source_amocrm.catalog_command", ""),
    "changes": ("amocrm_warehouse.changes.changes_command", "warehouse"),
    "connect": ("source_amocrm.connect.connect_command", ""),
    "dashboards": ("amocrm_warehouse.dashboards.dashboards_command", "warehouse"),
    "fleet": ("amocrm_fleet.fleet_command", "fleet"),
    "forget": ("amocrm_warehouse.forget_command", "warehouse"),
    "invite": ("amocrm_fleet.invite.invite_command", "fleet"),
    "mcp": ("amocrm_warehouse.assistant.mcp_command", "mcp"),
    "models": ("amocrm_warehouse.models_command", "warehouse"),
    "probe": ("amocrm_probe.probe_command", "all"),
    "publish": ("amocrm_warehouse.publish.publish_command", "warehouse"),
    "report": ("amocrm_warehouse.report.report_command", "warehouse"),
    "sync": ("amocrm_warehouse.sync.sync_command", "warehouse"),
    "verify": ("amocrm_warehouse.verify.verify_command", "warehouse"),
    "why": ("amocrm_warehouse.assistant.why_command", "warehouse"),
}
"""Verbs beside Airbyte's: the module whose `main` takes the arguments after the verb, and the extra that brings it."""
WITHOUT_THREADS = ("changes", "dashboards", "forget", "mcp", "models", "report")
"""Verbs that read no account and leave no threads behind, so that the process exits in the usual way."""
HELP = """\
source-amocrm reads an amoCRM or Kommo account into your own database, and for Airbyte.

  source-amocrm connect    lead through the sign-in and write config.json
  source-amocrm check      --config FILE [--estimate]   what can be read; how long a first sync takes
  source-amocrm sync       --config FILE [--to URL] [--project ID]   the account's tables, in a database
  source-amocrm verify     --config FILE [--to URL] [--project ID]   proof that the tables equal the account
  source-amocrm models     [--to URL]   tables made into answers
  source-amocrm report     [--to URL] [--plans FILE] [--out FILE] [--xlsx FILE] [--digest]   the answers as a page
  source-amocrm changes    [--to URL] [--since DAY] [--undo FOLDER]   what was changed in many cards at once
  source-amocrm forget     --project ID --contact ID [--to URL]   every value of a person emptied
  source-amocrm dashboards [--to URL] [--out FILE] [--language ru]   dashboards for Apache Superset
  source-amocrm publish    --to URL [--from URL] [--project ID]   the answers in another warehouse
  source-amocrm mcp        [--to URL] [--http PORT]   the answers for an assistant
  source-amocrm why        deal ID [--to URL] [--project ID] [--config FILE]   why a card is missing
  source-amocrm fleet      many accounts: check, sync, verify, publish, status, page, remove, dagster
  source-amocrm invite     links by which administrators elsewhere connect their accounts
  source-amocrm probe      --config FILE [--output FOLDER]   ask an account what amoCRM's documents leave open

For Airbyte:

  source-amocrm spec       the settings as a JSON schema
  source-amocrm discover   --config FILE
  source-amocrm catalog    --config FILE [--streams deals,users]   a configured catalog for read
  source-amocrm read       --config FILE --catalog FILE [--state FILE]

  source-amocrm --version

Each with --help for more."""


def run() -> None:
    arguments = sys.argv[1:]
    guard()
    spare_documentation()
    signal.signal(signal.SIGTERM, shutdown.end_by_signal)
    if not set(arguments[:1]) & set(VERBS) and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, shutdown.end_by_signal)
    shutdown.hold_signals()
    code = _run(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    if arguments[:1] and arguments[0] in WITHOUT_THREADS:
        sys.exit(code)
    shutdown.end(code)


def install_command(extra: str) -> str:
    """Returns the pip command that adds an extra to this installation, from the clone or index that it came from."""
    from importlib.metadata import distribution

    origin = json.loads(distribution("source-amocrm").read_text("direct_url.json") or "{}")
    vcs = origin.get("vcs_info", {}).get("vcs")
    source = f" @ {vcs + '+' if vcs else ''}{origin['url']}" if origin else ""
    return f"pip install 'source-amocrm[{extra}]{source}'"


def unknown(verb: str) -> str:
    """Returns the message for a verb that does not exist, with the closest verb that does."""
    shown = "".join(letter for letter in verb if letter.isprintable())[:40]
    closest = difflib.get_close_matches(verb, (*AIRBYTE_COMMANDS, *VERBS), 1)
    meant = f" Did you mean `source-amocrm {closest[0]}`?" if closest else ""
    return f"There is no command `{shown}`.{meant} `source-amocrm --help` shows them all."


def spare_documentation() -> None:
    """Spares each start a second, almost half of what the CDK takes to import.

    Its serializers look for the documentation of attributes, which nobody asks for: for that they parse the source of
    every class of the protocol and of its parents.
    """
    attributes_doc.get_attributes_doc = lambda cls: {}  # noqa: ARG005 - so named there


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Lets modules be imported without a search for garbage among them, then or later: they stay.

    Such searches take a tenth of the start of `read`, and a quarter of that of `sync`.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _run_verb(verb: str, arguments: list[str]) -> int:
    module, extra = VERBS[verb]
    try:
        code: int = importlib.import_module(module).main(arguments)
    except ModuleNotFoundError as error:
        if not extra or (error.name or "").startswith("source_amocrm"):
            raise
        print(f"`{verb}` needs more than the connector: {install_command(extra)}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:  # while the command is imported
        return shutdown.INTERRUPTED
    return code


def _run(arguments: list[str]) -> int:
    """Each command loads only what it needs: Airbyte asks often for `spec`, and the CDK takes seconds to import."""
    verb = arguments[0] if arguments else None
    if verb in ("--help", "-h"):
        print(HELP)
        return 0
    if verb == "--version":
        from importlib.metadata import version

        print(f"source-amocrm {version('source-amocrm')}")
        return 0
    if verb not in (*AIRBYTE_COMMANDS, *VERBS):
        print(unknown(verb) if verb else HELP, file=sys.stderr)
        return WRONG_USAGE
    if verb in VERBS:
        return _run_verb(verb, arguments[1:])
    if verb == "check" and (sys.stdout.isatty() or "--estimate" in arguments):
        from source_amocrm.entrypoint import check_on_terminal

        return check_on_terminal(arguments)
    if arguments == ["spec"]:
        import orjson
        import yaml

        spec = yaml.safe_load(Path(__file__).with_name("spec.yaml").read_bytes())
        print(orjson.dumps({"type": "SPEC", "spec": spec}).decode())
        return 0
    with importing():
        from source_amocrm.auth.handover import keeper_from_environment
        from source_amocrm.entrypoint import launch
    return launch(arguments, keeper_from_environment())
