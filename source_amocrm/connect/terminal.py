"""The four steps of connecting an account at the terminal, without a browser. Pasted secrets are not shown."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass

from source_amocrm.connect.connect_flow import Flow, Step, account_of, next_line
from source_amocrm.connect.connect_words import Problem, Texts
from source_amocrm.connect.signin import is_kommo, key_of, recognise
from source_amocrm.streams import STREAMS

# The problems after which the keys, or the account, are asked for again
_OF_KEYS = ("client_id", "client_secret", "redirect_uri", "unknown_integration", "other_redirect_uri", "not_issued")
_OF_ACCOUNT = ("account_address", "no_account", "token_other_service", "token_other_account", "other_account")


@dataclass
class Terminal:
    flow: Flow
    words: Texts

    def run(self) -> int:
        """Leads through the steps to a config.json. Returns the exit code. Raises EOFError when the input ends."""
        steps = {"account": self.account, "integration": self.integration, "access": self.access, "result": self.check}
        step: Step = "account"
        while not self.flow.verdict:
            try:
                steps[step]()
                step = self.flow.step
            except Problem as problem:
                step = self.after(problem)
                if step == "result":
                    return 1
        return 0 if self.flow.saved else 1

    def after(self, problem: Problem) -> Step:
        """Prints the problem, and returns the step in which it can be solved; `result` if it cannot be."""
        self.say(f"! {self.words.problem(problem)}")
        if problem.detail:
            self.say(f"  {problem.detail}")
        if problem.key in _OF_ACCOUNT:
            return "account"
        return "integration" if problem.key in _OF_KEYS and self.flow.way == "oauth" else self.flow.step

    def account(self) -> None:
        address = account_of(self.ask(self.words("terminal.account"), self.flow.domain))
        way = self.ask(self.words("terminal.way"), "1" if self.flow.way == "token" else "2")
        self.flow.choose_account(address, {"1": "token", "2": "oauth"}.get(way, ""))

    def integration(self) -> None:
        flow, words = self.flow, self.words
        platform = "kommo" if is_kommo(flow.domain) else "amocrm"
        uri = flow.keys.redirect_uri if flow.keys else flow.callback
        shown = uri if flow.way == "oauth" else "https://example.com/"
        self.say(f"\n{words('integration.title')}")
        self.say(words("integration.lead", domain=flow.domain))
        clicks = words.raw(f"integration.clicks.{platform}.{flow.way}")
        chats = words(f"integration.chats.{platform}") if flow.chat_texts else ""
        self.number(clicks, name="Airbyte", redirect_uri=shown, chats=chats)
        if flow.way == "token":
            self.ask(words("terminal.installed"))
            flow.install()
            return
        known = flow.keys.client_id if flow.keys else ""
        client_id = key_of("client_id", self.ask(words("integration.client_id"), known))
        kept = f" ({words('kept')})" if flow.keys else ""
        client_secret = self.hide(f"{words('integration.client_secret')}{kept}")
        if client_secret or not flow.keys:
            client_secret = key_of("client_secret", client_secret)
        flow.install(client_id, client_secret, self.ask(words("integration.redirect_uri"), uri))

    def access(self) -> None:
        flow, words = self.flow, self.words
        self.say("")
        for line in words.raw("access.promise"):
            self.say(line.format(count=len(STREAMS), path=flow.config))
        if flow.chat_texts:
            self.say(words("access.texts"))
        self.say(f"\n{words(f'access.title.{flow.way}')}")
        if flow.way == "token":
            platform = "kommo" if is_kommo(flow.domain) else "amocrm"
            self.number(words.raw(f"access.clicks.{platform}"), domain=flow.domain)
            pasted = self.hide(words("access.token"))
        else:
            assert flow.keys
            self.say(words("terminal.consent"))
            self.say(f"\n  {flow.begin_consent()}\n")
            self.say(words("terminal.then", redirect_uri=flow.keys.redirect_uri))
            pasted = self.hide(words("terminal.paste"))
        flow.take(recognise(pasted))

    def check(self) -> None:
        flow, words = self.flow, self.words
        self.say(words("terminal.checking", domain=flow.domain))
        verdict = flow.check()
        counted = "result.some" if verdict.refused else "result.all"
        self.say(f"\n{words('result.connected')}: {verdict.name}")
        self.say(words("result.account", domain=flow.domain, id=verdict.account_id))
        self.say(words(counted, count=len(verdict.readable), total=len(STREAMS)))
        for streams, why in verdict.refused.items():
            self.say(f"{words('result.refused')}: {words.tables(streams)}. {words(f'refused.{why}')}")
        if verdict.lacks_texts:
            self.say(words("result.no_texts"))
        if not verdict.filter_works:
            self.say(words("result.filter_off"))
        if verdict.expires:
            self.say(words("result.expires_soon" if verdict.expires_soon else "result.expires", day=verdict.expires))
        self.keep(verdict.account_id)

    def keep(self, account_id: int | None) -> None:
        flow, words, path = self.flow, self.words, self.flow.config
        if replace := flow.config.exists():
            more = words("result.exists_more" if flow.keeps else "result.exists_broken")
            self.say(f"\n{words('result.exists', path=path)} {more}")
            if self.ask(words("terminal.replace")).lower() not in words("terminal.yes").split():
                self.say(words("terminal.not_saved"))
                return
        flow.save(replace=replace)
        self.say(words("result.saved", path=path))
        self.say(words("terminal.next", line=next_line(path, account_id)))

    def number(self, texts: list[str], **params: str) -> None:
        for number, text in enumerate(texts, 1):
            self.say(f"  {number}. {text.format(**params)}")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def ask(self, question: str, usual: str = "") -> str:
        """Returns a typed line, or `usual` if it is empty. Raises EOFError."""
        print(f"{question} [{usual}]: " if usual else f"{question}: ", end="", flush=True)
        line = input()
        if not sys.stdin.isatty():
            print(flush=True)  # no Enter has ended the line of the question
        return line.strip() or usual

    def hide(self, question: str) -> str:
        """Returns a line that is not shown while it is pasted. Raises EOFError."""
        if sys.stdin.isatty():
            return getpass.getpass(f"{question} {self.words('terminal.hidden')}: ")
        return self.ask(question)
