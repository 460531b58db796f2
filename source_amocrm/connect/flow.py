"""The four steps of connecting an account, whoever leads through them: the page or the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from source_amocrm.config import settings as config
from source_amocrm.config.hosts import account_domain
from source_amocrm.connect import config_file, consent, signin
from source_amocrm.connect.problems import Problem
from source_amocrm.connect.verify import Verdict, verify
from source_amocrm.errors import ConfigError
from source_amocrm.secrecy import add_to_secrets

Step = Literal["account", "integration", "access", "result"]
STEPS: tuple[Step, ...] = ("account", "integration", "access", "result")
WAYS = ("token", "oauth")
CALLBACK = "/callback"

_USELESS = ("token_rejected", "token_other_account", "token_other_service", "no_account")


def account_of(address: object) -> str:
    """The account's host. Raises Problem for the field that it was typed into."""
    try:
        return account_domain(address)
    except ConfigError:
        raise Problem("account_address", at="address") from None


@dataclass(frozen=True)
class Options:
    config: Path
    port: int
    consent_url: str | None = None
    api_base_url: str | None = None

    @property
    def callback(self) -> str:
        """Where the page catches amoCRM's redirect."""
        return f"http://localhost:{self.port}{CALLBACK}"


@dataclass
class Flow:
    """What is known so far. Every step raises Problem, and then nothing has changed."""

    options: Options
    domain: str = ""
    way: str = WAYS[0]
    keys: signin.Keys | None = None
    installed: bool = False  # the integration is there and its keys are known, if the way needs them
    state: str = field(default="", repr=False)  # of the question that amoCRM is asked right now
    settings: dict[str, Any] | None = field(default=None, repr=False)
    verdict: Verdict | None = None
    saved: bool = False

    def __post_init__(self) -> None:
        self._remember(config_file.read(self.options.config))

    @property
    def step(self) -> Step:
        """The first step that is not done."""
        if self.settings:
            return "result"
        if self.installed:
            return "access"
        return "integration" if self.domain else "account"

    @property
    def catches(self) -> bool:
        """Whether amoCRM's redirect comes to the page, so that nothing need be pasted."""
        return self.keys is not None and self.keys.redirect_uri in (
            self.options.callback,
            self.options.callback.replace("localhost", "127.0.0.1"),
        )

    def choose_account(self, address: object, way: str) -> None:
        domain = account_of(address)
        if way not in WAYS:
            raise Problem("no_way", at="way")
        if domain != self.domain and self.domain:
            self.keys = None
        self.domain, self.way = domain, way
        self.installed = False
        self._forget()

    def install(self, client_id: object = None, client_secret: object = None, redirect_uri: object = None) -> None:
        """The integration is there; an empty secret means the one that was given before."""
        if self.way == "oauth":
            secret = client_secret or (self.keys.client_secret if self.keys else None)
            self.keys = signin.keys_of(client_id, secret, redirect_uri)
        self.installed = True
        self._forget()

    def ask(self) -> str:
        """The address of the consent page, with a new state."""
        assert self.keys
        self.state = consent.new_state()
        return consent.consent_url(self.domain, self.keys.client_id, self.state, self.options.consent_url)

    def take(self, answer: consent.Redirect | consent.Code | consent.Token) -> None:
        """A redirect, a code or a token becomes the settings of the source."""
        if isinstance(answer, consent.Token):
            credentials = signin.long_lived(self.domain, answer.text)
        else:
            credentials = self._exchange(answer)
        self._forget()
        self.settings = signin.settings_of(self.domain, self.options.api_base_url, credentials)

    def check(self) -> None:
        """Ask the account; a sign-in that can never read it is given up."""
        assert self.settings
        self.verdict = None
        try:
            self.verdict = verify(self.settings)
        except Problem as problem:
            if problem.key in _USELESS:
                self._forget()
            raise

    @property
    def occupied(self) -> bool:
        """Whether there is a file that saving would replace."""
        return self.options.config.exists()

    @property
    def keeps(self) -> bool:
        """Whether what that file holds beside the sign-in stays."""
        return bool(config_file.read(self.options.config))

    def save(self, *, replace: bool = False) -> None:
        """Write config.json; what a person set in it beside the sign-in stays."""
        assert self.settings
        path = self.options.config
        settings = config_file.renewed(config_file.read(path), self.settings)
        config_file.write(path, settings, replace=replace)
        self.settings, self.saved = settings, True

    def _exchange(self, answer: consent.Redirect | consent.Code) -> dict[str, Any]:
        if self.keys is None:
            raise Problem("code_without_keys", at="pasted")
        code = self._code(answer) if isinstance(answer, consent.Redirect) else answer.text
        base_url = self.options.api_base_url or f"https://{self.domain}"
        add_to_secrets(code)
        return signin.exchange(self.domain, base_url, self.keys, code)

    def _code(self, answer: consent.Redirect) -> str:
        """The question is answered, whatever the answer; one to another question leaves it open."""
        state, self.state = self.state, ""
        try:
            return consent.code_of(answer, state, self.domain)
        except Problem as problem:
            if problem.key in ("wrong_state", "unproven_refusal"):
                self.state = state
            raise

    def _forget(self) -> None:
        self.state, self.settings, self.verdict, self.saved = "", None, None, False

    def _remember(self, held: Mapping[str, Any] | None) -> None:
        """What an earlier config.json tells, so that access is granted again in few clicks."""
        try:
            known = config.parse_config(held or {})
        except ConfigError:
            return
        self.domain = known.domain
        if isinstance(known.credentials, config.OAuth):
            self.way = "oauth"
            given = known.credentials
            self.keys = signin.keys_of(given.client_id, given.client_secret, given.redirect_uri)
