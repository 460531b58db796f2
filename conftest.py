"""What pytest must know before it collects: the options and fixtures of the CDK's standard tests, and what no test may
print or log."""

import os
import signal
import sys
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets

from source_amocrm import secrecy
from source_amocrm.shutdown import READ_IS_KEPT

pytest.register_assert_rewrite("testing")  # so that an assertion there, too, shows what differs

from amocrm_warehouse.report.notify import VARIABLE  # noqa: E402
from testing.leaks import NOTIFIED, leaks  # noqa: E402

# A shell that runs the tests in the background lets them, and whatever they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No output of any command may show it, and no test sends anything to a recipient of the machine's user.
os.environ[VARIABLE] = NOTIFIED

# How fast a machine is says nothing about the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

pytest_plugins = [
    "airbyte_cdk.test.standard_tests.pytest_hooks",
    "testing.machine",
    "testing.slowest_files",
]


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    update_secrets([])
    monkeypatch.setattr(secrecy, "_short", ())
    monkeypatch.setattr(secrecy, "_pieces", set())


@pytest.fixture(autouse=True)
def _no_interrupts_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    if module := sys.modules.get("amocrm_warehouse.interrupt"):  # its import would change Ctrl-C
        monkeypatch.setattr(module.UNINTERRUPTED, "met", False)
        monkeypatch.setattr(module.UNINTERRUPTED, "sentence", READ_IS_KEPT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001
    call: pytest.CallInfo[Any],  # noqa: ARG001
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test whose output or log shows a secret of the sandbox has failed, whatever it was about."""
    report = yield
    shown = [line for _, text in report.sections for line in leaks(text)]
    if shown and report.passed:
        report.outcome = "failed"
        report.longrepr = "A secret was printed or logged:\n" + "\n".join(shown)
    return report
