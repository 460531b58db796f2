"""The process does not end between the sending of a refresh token and the hand-over of the new one."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

BEGIN = """
import os, signal, sys, threading, time
from source_amocrm import shutdown

sent, answered, handed_over = (threading.Event() for _ in range(3))

def say(text):
    os.write(1, f"{text}\\n".encode())

def exchange():
    with shutdown.token_exchange():
        shutdown.before_token_is_sent()
        sent.set()
        answered.wait()
        say("handed over")

def answer_soon(seconds=0.3):
    threading.Timer(seconds, answered.set).start()
"""
HELD = """
signal.signal(signal.SIGTERM, shutdown.end_by_signal)
shutdown.hold_signals()
"""


def ran(script: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_end_waits_for_the_exchange_of_another_thread() -> None:
    assert ran("""
        threading.Thread(target=exchange, daemon=True).start()
        sent.wait()
        answer_soon()
        shutdown.end(7)
    """) == (7, "handed over\n")


def test_the_end_waits_no_longer_than_it_may() -> None:
    assert ran("""
        shutdown.EXCHANGE_PATIENCE = 0.1
        threading.Thread(target=exchange, daemon=True).start()
        sent.wait()
        shutdown.end(7)
    """) == (7, "")


def test_no_exchange_begins_when_the_end_has_begun() -> None:
    assert ran("""
        ending = threading.Event()
        def late():
            ending.wait()
            answered.set()
            exchange()
        def end(code):
            ending.set()
            time.sleep(0.5)
            say("ended")
            os.kill(os.getpid(), signal.SIGKILL)
        shutdown.os._exit = end
        threading.Thread(target=late, daemon=True).start()
        shutdown.end(7)
    """) == (-signal.SIGKILL, "ended\n")


def test_the_thread_that_exchanges_may_end_the_process() -> None:
    """A hand-over to a reader that has gone."""
    assert ran("""
        with shutdown.token_exchange():
            shutdown.before_token_is_sent()
            shutdown.end(7)
    """) == (7, "")


@pytest.mark.parametrize("where", ["threading.Thread(target=exchange, daemon=True).start(); sent.wait()", ""])
def test_a_signal_is_held_until_the_hand_over(where: str) -> None:
    """Of another thread's exchange, and of the main thread's own; a second signal changes nothing."""
    kill = "os.kill(os.getpid(), signal.SIGTERM)"
    then = f"{kill}; {kill}; answer_soon(); time.sleep(30)" if where else "exchange(); time.sleep(30)"
    before = where or f"threading.Thread(target=lambda: (sent.wait(), {kill}, answer_soon()), daemon=True).start()"
    assert ran(f"{HELD}{before}\n{then}") == (-signal.SIGTERM, "handed over\n")


def test_a_signal_without_an_exchange_ends_it_at_once() -> None:
    assert ran(f"{HELD}os.kill(os.getpid(), signal.SIGTERM)\nsay('not ended')") == (-signal.SIGTERM, "")


def test_ctrl_c_is_an_interrupt_after_the_hand_over() -> None:
    assert ran(
        HELD
        + textwrap.dedent("""
            threading.Thread(target=exchange, daemon=True).start()
            sent.wait()
            os.kill(os.getpid(), signal.SIGINT)
            answer_soon()
            try:
                time.sleep(30)
            except KeyboardInterrupt:
                say("interrupted")
            exchange()
            shutdown.end(3)
        """)
    ) == (3, "handed over\ninterrupted\nhanded over\n")


def test_between_two_attempts_it_ends_at_once() -> None:
    assert ran(
        HELD
        + textwrap.dedent("""
            def failing():
                with shutdown.token_exchange():
                    shutdown.before_token_is_sent()
                    shutdown.pause(lambda seconds: (sent.set(), time.sleep(seconds)), 30)
            threading.Thread(target=failing, daemon=True).start()
            sent.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            say("not ended")
        """)
    ) == (-signal.SIGTERM, "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    assert ran("""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shutdown.hold_signals()
        os.kill(os.getpid(), signal.SIGINT)
        say("goes on")
    """) == (0, "goes on\n")
