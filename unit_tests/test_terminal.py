"""--no-browser: the questions, their order after a mistake, and that no secret is printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sandbox import Server
from source_amocrm.connect import connect_command
from source_amocrm.streams import STREAMS
from testing.connect_tools import CALLBACK, DOMAIN, SECRET, sandbox
from testing.http_tools import jwt

pytestmark = pytest.mark.usefixtures("hurried")


class Person:
    """Types the lines one by one; a function is asked for its line when it is needed."""

    def __init__(self, *lines: str | Callable[[], str]) -> None:
        self.lines = list(lines)

    def isatty(self) -> bool:
        return False

    def readline(self) -> str:
        if not self.lines:
            return ""
        line = self.lines.pop(0)
        return f"{line if isinstance(line, str) else line()}\n"


class Terminal:
    def __init__(self, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.config = folder / "config.json"
        self._monkeypatch = monkeypatch
        self._capture: pytest.CaptureFixture[str] | None = None

    def run(self, *lines: str | Callable[[], str], language: str = "en", options: tuple[str, ...] = ()) -> int:
        self._monkeypatch.setattr("sys.stdin", Person(*lines))
        arguments = ["--no-browser", "--language", language, "--config", str(self.config), *options]
        return connect_command.main(
            [*arguments, "--consent-url", f"{self.server.url}/oauth", "--api-base-url", self.server.url]
        )

    @property
    def keys(self) -> list[str]:
        client = self.server.tokens.client
        return [client.client_id, client.client_secret, ""]


@pytest.fixture
def terminal(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(server, tmp_path, monkeypatch)


def test_a_long_lived_token(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run(DOMAIN, "", "", terminal.server.tokens.long_lived()) == 0
    out, err = capsys.readouterr()
    assert "Open «amoМаркет» in the menu on the left." in out
    assert "Connected: ООО «Северный ветер»\nexample.amocrm.ru, account" in out
    assert f"All {len(STREAMS)} tables can be read" in out
    assert f"Saved to {terminal.config}. Only you can read it." in out
    assert SECRET not in out + err
    assert json.loads(terminal.config.read_text())["credentials"]["auth_type"] == "long_lived_token"


@pytest.mark.parametrize(("granted", "told"), [("served", False), ("no scope", True)])
def test_the_texts_of_chats_take_an_access_of_their_own_and_only_if_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], granted: str, told: bool
) -> None:
    with sandbox(chat_texts=granted) as server:
        terminal = Terminal(server, tmp_path, monkeypatch)
        assert terminal.run(DOMAIN, "", "", server.tokens.long_lived()) == 0
        out = capsys.readouterr().out
        assert ("chat_texts" in terminal.config.read_text(), "чатов" in out, "in chats" in out) == (False,) * 3
        for options in (("--chat-texts",), ()):  # once it is in the config it stays
            assert terminal.run(DOMAIN, "", "", server.tokens.long_lived(), "y", options=options) == 0
            out = capsys.readouterr().out
            assert "«Доступ к файлам» for the table files, and «История внешних чатов» for the texts of chats." in out
            assert "It also reads what was written in chats." in out
            assert ("The texts of chats stay empty: the token lacks the access for them." in out) is told
            assert json.loads(terminal.config.read_text())["chat_texts"] is True


def test_a_code_in_russian(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run(DOMAIN, "2", *terminal.keys, terminal.server.tokens.code, language="ru") == 0
    out, err = capsys.readouterr()
    assert f"Название — например, Airbyte, «Ссылка для перенаправления» — в точности {CALLBACK}" in out
    assert re.search(rf"\n  {terminal.server.url}/oauth\?client_id=\S+&mode=post_message\n", out)
    assert f"Можно читать все таблицы, их {len(STREAMS)}" in out
    assert SECRET not in out + err
    assert json.loads(terminal.config.read_text())["credentials"]["auth_type"] == "oauth2.0"


def test_the_whole_address(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    printed: list[str] = []

    def address(**changed: str) -> str:
        printed.append(capsys.readouterr().out)
        state = re.findall(r"state=([\w-]+)", printed[-1])[-1]
        given = {"code": terminal.server.tokens.code(), "referer": DOMAIN, "state": state, **changed}
        return f"{CALLBACK}?{urlencode(given)}"

    lines: list[str | Callable[[], str]] = [DOMAIN, "2", *terminal.keys]
    lines += [lambda: address(state="forged"), lambda: address(error="access_denied"), address]
    assert terminal.run(*lines) == 0
    out = "".join(printed) + capsys.readouterr().out
    assert "! This answer does not belong to the grant that was begun here last" in out
    assert "! Access was refused in amoCRM" in out
    assert SECRET not in out


def test_mistakes_are_typed_again(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    client = terminal.server.tokens.client
    lines: list[str | Callable[[], str]] = ["example.com", DOMAIN, "3", DOMAIN, "2"]
    lines += ["", "nonsense", client.client_id, "", client.client_id, "wrong", "", terminal.server.tokens.code]
    lines += [*terminal.keys, "", "def502", *terminal.keys, terminal.server.tokens.code]
    assert terminal.run(*lines) == 0
    out, err = capsys.readouterr()
    told = [line for line in out.splitlines() if line.startswith("! ")]
    assert [line.split(".")[0] for line in told] == [
        "! This is not the address of an amoCRM or Kommo account",
        "! No way to sign in is chosen",
        "! This is not an integration ID",
        "! This is not an integration ID",
        "! This is not a secret key",
        "! amoCRM does not recognise the integration",
        "! Nothing was pasted",
        "! This code was not given to this integration, or was not copied whole",
    ]
    assert "  amoCRM does not recognise the integration (Авторизация клиента не прошла" in out
    assert SECRET not in out + err


def test_what_is_read_is_told_before_access_is_asked(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.run(DOMAIN, "1", "")
    out = capsys.readouterr().out
    told = out.index("\nThe connector only reads: it changes nothing in amoCRM.\nIt reads deals, contacts")
    assert told < out.index(f"settings: {len(STREAMS)} tables.\nThey go into") < out.index("Create the token")


def test_a_token_that_was_not_copied_whole(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    token = terminal.server.tokens.long_lived()
    assert terminal.run(DOMAIN, "1", "", token[: len(token) // 3], token) == 0
    assert "! This token was not copied whole" in capsys.readouterr().out


def test_the_next_step_stands_at_the_end(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run(DOMAIN, "1", "", terminal.server.tokens.long_lived(), language="ru") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    number = terminal.server.account.id
    assert last.startswith("Дальше: /")
    assert last.endswith(f"source-amocrm sync --config {terminal.config} --project {number}")


def test_a_token_of_another_account(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    other = jwt(exp=4_000_000_000, base_domain="kommo.com")
    assert terminal.run(DOMAIN, "", "", other, "", "", "", terminal.server.tokens.long_lived()) == 0
    assert "! This token is not for example.amocrm.ru." in capsys.readouterr().out


def test_rights_that_are_missing(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.server.account.switches.forbidden = frozenset({"users"})
    terminal.server.account.switches.filter_enabled = False
    assert terminal.run(DOMAIN, "", "", lambda: terminal.server.tokens.long_lived(days=3)) == 0
    out = capsys.readouterr().out
    assert f"{len(STREAMS) - 1} of {len(STREAMS)} tables can be read\nCannot be read: users. The token's user" in out
    assert "The paid filter by time is off" in out
    assert "The token ends very soon" in out


@pytest.mark.parametrize(("wish", "code"), [("", 1), ("n", 1), ("y", 0), ("Yes", 0)])
def test_a_file_that_is_there(terminal: Terminal, capsys: pytest.CaptureFixture[str], wish: str, code: int) -> None:
    terminal.config.write_text("{}")
    assert terminal.run(DOMAIN, "", "", terminal.server.tokens.long_lived(), wish) == code
    out = capsys.readouterr().out
    assert f"{terminal.config} is there already. Shall the new sign-in replace the one in it?" in out
    assert ("Nothing was saved." in out) == (code == 1)
    assert (terminal.config.read_text() == "{}") == (code == 1)


def test_an_account_that_cannot_be_read(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.server.account.switches.unpaid = True
    assert terminal.run(DOMAIN, "", "", terminal.server.tokens.long_lived()) == 1
    assert "! The account example.amocrm.ru is not paid for" in capsys.readouterr().out
    assert not terminal.config.exists()


def test_a_place_that_cannot_be_written(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    (terminal.config.parent / "file").write_text("")
    terminal.config = terminal.config.parent / "file" / "config.json"
    assert terminal.run(DOMAIN, "", "", terminal.server.tokens.long_lived()) == 1
    assert "could not be written" in capsys.readouterr().err


def test_granting_again_is_a_few_times_enter(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.config.write_text(json.dumps({**terminal.server.config(oauth=True), "start_date": "2024-01-01"}))
    before = json.loads(terminal.config.read_text())
    assert terminal.run("", "", "", "", "", terminal.server.tokens.code, "y") == 0
    after = json.loads(terminal.config.read_text())
    assert after["start_date"] == "2024-01-01"
    assert after["credentials"]["client_secret"] == before["credentials"]["client_secret"]
    assert after["credentials"]["refresh_token"] != before["credentials"]["refresh_token"]
    out = capsys.readouterr().out
    assert "Secret key (kept from before; leave empty to use it again): " in out
    assert SECRET not in out


def test_the_input_ends(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run(DOMAIN) == 1
    assert "The input ended before the account was connected." in capsys.readouterr().err


def test_ctrl_c(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    def stop() -> str:
        raise KeyboardInterrupt

    assert terminal.run(DOMAIN, stop) == 130
    assert capsys.readouterr().err == "\nNothing was saved.\n"


def test_secrets_are_not_echoed_by_a_real_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def hidden(prompt: str) -> str:
        asked.append(prompt)
        return terminal.server.tokens.long_lived()

    monkeypatch.setattr("getpass.getpass", hidden)
    monkeypatch.setattr(Person, "isatty", lambda _: True)
    assert terminal.run(DOMAIN, "", "") == 0
    assert asked == ["Long-lived token (what you paste is not shown): "]
    assert SECRET not in capsys.readouterr().out
