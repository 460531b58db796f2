"""`report --notify`: each recipient gets exactly their message, and nothing shows a part of an address."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from amocrm_warehouse.report.notify import ENVIRONMENT, VARIABLE, Message, Recipient, masked, recipients, send
from testing.hooks import PARTS, PASSWORD, SECRET, Hooks, hook
from testing.leaks import leaks
from testing.mail_server import FROM, TO, MailServer, mail_server
from testing.mail_server import PASSWORD as MAIL_PASSWORD

TEXT = "Ромашка: sales, July\nThis month: 3 won\nQueue: 1 card"


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with hook() as server:
        yield server


def private(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_a_message_is_the_digest_with_its_picture(hooks: Hooks) -> None:
    ([one], []) = recipients(ENVIRONMENT, {VARIABLE: hooks.address})
    assert send([Message(one, TEXT, b"\x89PNG")]) == []
    [(path, body)] = hooks.found
    assert path == f"/hook/{SECRET}"
    assert (body["title"], body["message"]) == ("Ромашка: sales, July", "This month: 3 won\nQueue: 1 card")
    [picture] = body["attachments"]
    assert (picture["filename"], picture["mimetype"]) == ("month.png", "image/png")
    assert base64.b64decode(picture["base64"]) == b"\x89PNG"


def test_a_failure_is_one_sentence_and_the_others_get_theirs(
    hooks: Hooks, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    away = Recipient(1, f"json://ann:{PASSWORD}@127.0.0.1:1/{SECRET}")
    [failed] = send([Message(away, TEXT, b"1"), Message(Recipient(2, hooks.address), TEXT, b"2")])
    assert len(hooks.found) == 1
    assert failed == (
        "The digest was not sent to recipient 1 (json): A Connection error occurred sending JSON notification to ….\
 Everything else was written."
    )
    hooks.status = 403
    [refused] = send([Message(Recipient(2, hooks.address), TEXT, b"2")])
    assert refused.startswith("The digest was not sent to recipient 2 (json): Failed to send JSON ")
    assert "403" in refused
    shown = "".join([*capfd.readouterr(), caplog.text, failed, refused, repr(away)])
    assert not [part for part in PARTS if part in shown]


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def test_a_mail_has_the_title_as_subject_the_digest_as_text_and_the_picture_as_attachment(mails: MailServer) -> None:
    ([one], []) = recipients(ENVIRONMENT, {VARIABLE: mails.address})
    assert send([Message(one, TEXT, b"\x89PNG")]) == []
    assert mails.logins == [("ann", MAIL_PASSWORD)]
    [mail] = mails.mails
    assert (mail["subject"], mail["from"], mail["to"]) == ("Ромашка: sales, July", FROM, TO)
    [text, picture] = mail.iter_parts()
    assert (text.get_content_type(), text.get_content().splitlines()) == (
        "text/plain", ["This month: 3 won", "Queue: 1 card"]
    )  # fmt: skip
    assert (picture.get_content_type(), picture.get_filename()) == ("image/png", "month.png")
    assert picture.get_content() == b"\x89PNG"


@pytest.mark.parametrize(
    ("refusals", "reason"),
    [
        ({"AUTH": f"535-5.7.8 No login\r\n535 with {MAIL_PASSWORD}"}, "535 5.7.8 No login with …"),
        ({"RCPT": f"550 no {TO} here, dear ann"}, "550 no …@… here, dear …"),
        ({"DATA": "552 too large"}, "552 too large"),
    ],
)
def test_what_a_mail_server_refuses_is_one_sentence_with_its_answer_and_without_the_password(
    mails: MailServer,
    hooks: Hooks,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    refusals: dict[str, str],
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    mails.refusals = refusals
    one, other = Recipient(1, mails.address), Recipient(2, hooks.address)
    [refused] = send([Message(one, TEXT, b"1"), Message(other, TEXT, b"2")])
    assert refused == (
        f"The digest was not sent to recipient 1 (mailto): The mail server answered {reason}. Everything else was "
        "written."
    )
    assert (len(mails.mails), len(hooks.found)) == (0, 1)
    assert leaks("".join([*capfd.readouterr(), caplog.text, refused, repr(one)])) == []


def test_a_reason_holds_no_part_of_the_address() -> None:
    url = "tgram://123456:AAbbCC-dd/4711?topic=my%20room"
    assert masked("no bot 123456:AAbbCC-dd,\n chat 4711 of my room", url) == "no bot …:…, chat … of …"


def test_recipients_of_a_file_have_their_accounts_teams_managers_and_language(tmp_path: Path) -> None:
    path = private(
        tmp_path / "notify.yaml",
        "- url: json://127.0.0.1/everybody\n"
        "- {url: 'json://127.0.0.1/wholesale', group: Опт, language: ru}\n"
        "- {url: 'json://127.0.0.1/two', manager: [Анна Ким, 9100149]}\n"
        "- {url: 'json://127.0.0.1/north', project: 1001}\n"
        "- {url: 'json://127.0.0.1/both', project: [1001, south], group: Опт}\n",
    )
    assert [(one.name, one.projects, one.groups, one.managers, one.language) for one in recipients(path)[0]] == [
        ("recipient 1 (json)", (), (), (), None),
        ("recipient 2 (json)", (), ("Опт",), (), "ru"),
        ("recipient 3 (json)", (), (), ("Анна Ким", "9100149"), None),
        ("recipient 4 (json)", ("1001",), (), (), None),
        ("recipient 5 (json)", ("1001", "south"), ("Опт",), (), None),
    ]


NOT_SENT = "The digest was not sent to recipient 1: {why}. Everything else was written."
NO_ADDRESS = "its address is none that apprise knows: see https://appriseit.com/services. Correct it in {path}"
REFUSED = {
    f"- url: nothing-{SECRET}": NOT_SENT.format(why=NO_ADDRESS),
    f"url: json://{SECRET}": "The file of recipients {path} is no list: each entry begins with “- url:”.",
    f"- {{to: {SECRET}}}": NOT_SENT.format(why="it has no url"),
    f"- {{url: json://{SECRET}, team: A}}": NOT_SENT.format(
        why="it has unknown keys: team. There are url, project, group, manager, language"
    ),
    f"- {{url: json://{SECRET}, language: fr}}": NOT_SENT.format(why="it has an unknown language. There are en, ru"),
    f"- {{url: json://{SECRET}": "The file of recipients {path} is no YAML.",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items())
def test_a_wrong_file_is_refused_without_its_secrets(tmp_path: Path, text: str, sentence: str) -> None:
    path = private(tmp_path / "notify.yaml", text)
    with pytest.raises(ValueError, match=r"^The ") as refused:
        recipients(path)
    assert str(refused.value) == sentence.format(path=path)


def test_a_wrong_entry_is_said_and_the_others_get_theirs(tmp_path: Path) -> None:
    path = private(
        tmp_path / "notify.yaml",
        f"- url: nothing-{SECRET}\n- url: json://127.0.0.1/a\n- {{url: 'json://127.0.0.1/b', team: A}}\n- 5\n",
    )
    found, wrong = recipients(path)
    assert [(one.place, one.url) for one in found] == [(2, "json://127.0.0.1/a")]
    assert wrong == [
        NOT_SENT.format(why=NO_ADDRESS.format(path=path)),
        "The digest was not sent to recipient 3: it has unknown keys: team. There are url, project, group, manager, "
        "language. Everything else was written.",
        "The digest was not sent to recipient 4: it has no url. Everything else was written.",
    ]


def test_an_address_comes_neither_from_the_command_line_nor_from_a_file_that_others_can_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--notify takes no address") as refused:
        recipients(f"json://127.0.0.1/{SECRET}")
    assert SECRET not in str(refused.value)
    with pytest.raises(ValueError, match=f"--notify has no address: put one into {VARIABLE}"):
        recipients(ENVIRONMENT, {})
    path = Path(private(tmp_path / "notify.yaml", "- url: json://127.0.0.1"))
    path.chmod(0o644)
    with pytest.raises(ValueError, match=rf"^Others can read {path}.*: chmod 600 {path}$"):
        recipients(str(path))
    with pytest.raises(ValueError, match="cannot be read: FileNotFoundError"):
        recipients(str(tmp_path / "none.yaml"))
