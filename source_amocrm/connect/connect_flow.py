"""The four steps of connecting an account, for the page and the terminal, and the config.json that they write."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from source_amocrm import atomic_file
from source_amocrm.config import OAuth, parse_config
from source_amocrm.config.trusted_hosts import account_domain
from source_amocrm.config_file import ConfigFile, ConfigFileError
from source_amocrm.connect import signin
from source_amocrm.connect.connect_words import Problem
from source_amocrm.errors import ConfigError
from source_amocrm.secrecy import add_to_secrets

Step = Literal["account", "integration", "access", "result"]
STEPS: tuple[Step, ...] = ("account", "integration", "access", "result")
CALLBACK = "/callback"

_USELESS = ("token_rejected", "token_other_account", "token_other_service", "no_account")
"""The problems with which a sign-in can never read the account."""


def account_of(address: object) -> str:
    """Returns the account's host. Raises Problem for the field `address`."""
    try:
        return account_domain(address)
    except ConfigError:
        raise Problem("account_address", at="address") from None


@dataclass
class Flow:
    """How far connecting one account has got. A step that raises Problem has changed nothing."""

    config: Path
    port: int
    consent_url: str | None = None
    api_base_url: str | None = None
    chat_texts: bool = False  # whether the texts of chats are wanted, which needs a scope of its own
    domain: str = ""
    way: str = "token"  # or oauth
    keys: signin.Keys | None = None
    installed: bool = False  # the integration is installed, and its keys are known if the way needs them
    state: str = field(default="", repr=False)  # OAuth's `state` of the consent under way
    settings: dict[str, Any] | None = field(default=None, repr=False)
    verdict: signin.Verdict | None = None
    saved: bool = False

    def __post_init__(self) -> None:
        """Takes the account and the keys of an earlier config.json, so that access is granted again in few clicks."""
        self._chat_texts_option = self.chat_texts
        with suppress(ConfigError, Problem):  # of a file that holds no settings, and of keys that cannot be right
            known = parse_config(read_config(self.config))
            self.domain, oauth = known.domain, known.credentials
            self.chat_texts = self.chat_texts or known.chat_texts
            if isinstance(oauth, OAuth):
                self.way = "oauth"
                self.keys = signin.keys_of(oauth.client_id, oauth.client_secret, oauth.redirect_uri)

    @property
    def step(self) -> Step:
        """The first step that is not done."""
        if self.settings:
            return "result"
        if self.installed:
            return "access"
        return "integration" if self.domain else "account"

    @property
    def callback(self) -> str:
        """The redirect URI at which the page gets amoCRM's redirect."""
        return f"http://localhost:{self.port}{CALLBACK}"

    @property
    def catches(self) -> bool:
        """Whether amoCRM's redirect comes to the page, so that nothing need be pasted."""
        return self.keys is not None and self.keys.redirect_uri.replace("127.0.0.1", "localhost") == self.callback

    @property
    def keeps(self) -> bool:
        """Whether saving keeps settings of an existing file, apart from the sign-in."""
        return bool(read_config(self.config))

    def choose_account(self, address: object, way: str) -> None:
        domain = account_of(address)
        if way not in ("token", "oauth"):
            raise Problem("no_way", at="way")
        if domain != self.domain and self.domain:
            self.keys, self.chat_texts = None, self._chat_texts_option
        self.domain, self.way = domain, way
        self.installed = False
        self._forget()

    def install(self, client_id: object = None, client_secret: object = None, redirect_uri: object = None) -> None:
        """Notes that the integration is installed, with its keys. An empty secret stands for the earlier one."""
        if self.way == "oauth":
            secret = client_secret or (self.keys.client_secret if self.keys else None)
            self.keys = signin.keys_of(client_id, secret, redirect_uri)
        self.installed = True
        self._forget()

    def begin_consent(self) -> str:
        """Returns the address of amoCRM's consent page, with a new `state`."""
        assert self.keys
        self.state = secrets.token_urlsafe(32)
        return signin.consent_url(self.domain, self.keys.client_id, self.state, self.consent_url)

    def take(self, answer: Mapping[str, str] | str) -> None:
        """Makes the source's settings from the parameters of a redirect, or from a code or a token."""
        if isinstance(answer, str) and signin.is_token(answer):
            credentials = signin.long_lived(self.domain, answer)
        elif self.keys is None:
            raise Problem("code_without_keys", at="pasted")
        else:
            code = answer if isinstance(answer, str) else self._code(answer)
            add_to_secrets(code)
            credentials = signin.exchange(self.domain, self.api_base_url, self.keys, code)
        self._forget()
        self.settings = signin.settings_of(self.domain, self.api_base_url, credentials, self.chat_texts)

    def check(self) -> signin.Verdict:
        """Checks the account. Discards a sign-in that can never read it."""
        assert self.settings
        self.verdict = None
        try:
            self.verdict = signin.verify(self.settings)
        except Problem as problem:
            if problem.key in _USELESS:
                self._forget()
            raise
        return self.verdict

    def save(self, *, replace: bool = False) -> None:
        """Writes config.json. Other settings that a person made in it stay."""
        assert self.settings
        settings = renewed(read_config(self.config), self.settings)
        write_config(self.config, settings, replace=replace)
        self.settings, self.saved = settings, True

    def _code(self, answer: Mapping[str, str]) -> str:
        """Returns the code of a redirect. A redirect with the consent's `state` ends the consent, whatever it says."""
        state = self.state
        if signin.is_same(answer.get("state", ""), state):
            self.state = ""
        return signin.code_of(answer, state, self.domain)

    def _forget(self) -> None:
        self.state, self.settings, self.verdict, self.saved = "", None, None, False


def read_config(path: Path) -> dict[str, Any]:
    """Returns the settings in the file; {} if there is no file, or something else in it."""
    try:
        return ConfigFile(path).written()
    except ConfigFileError:
        return {}


def renewed(earlier: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `settings` with the further settings of the same account's earlier config, such as a start date."""
    earlier = earlier if earlier and is_of_account(earlier, settings["account_domain"]) else {}
    return {**{name: value for name, value in earlier.items() if name != "api_base_url"}, **settings}


def is_of_account(settings: Mapping[str, Any], domain: str) -> bool:
    """Whether the settings are the account's at `domain`, however a person typed its address."""
    try:
        return account_domain(settings.get("account_domain")) == domain
    except ConfigError:
        return False


def write_config(path: Path, settings: Mapping[str, Any], *, replace: bool) -> None:
    """Writes config.json. Raises Problem if it exists and is not to be replaced, or cannot be written."""
    try:
        atomic_file.make_folders(Path(os.path.realpath(path)))
        atomic_file.write(path, atomic_file.json_text(settings), replace=replace)
    except OSError as error:
        if isinstance(error, FileExistsError) and not replace and path.exists():
            raise Problem("file_exists", {"path": str(path)}) from None
        raise Problem("file_not_written", {"path": str(path)}, detail=error.strerror or "") from None


def next_line(config: Path, account_id: int | None) -> str:
    """Returns the command to run next with a config.json, in any folder of a POSIX shell.

    It syncs into tables named after the account if the extra `warehouse` is installed, and otherwise checks.
    """
    beside = map(os.path.dirname, (os.path.abspath(sys.argv[0]), sys.executable))
    run = shutil.which("source-amocrm", path=os.pathsep.join([*beside, os.environ.get("PATH", "")]))
    command = [run or "source-amocrm", "sync" if find_spec("duckdb") else "check", "--config", os.path.abspath(config)]
    project = ["--project", str(account_id)] if command[1] == "sync" and account_id else []
    return shlex.join([*command, *project])
