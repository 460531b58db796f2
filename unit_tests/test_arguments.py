"""A misspelled option is named, whatever else is missing on the command line."""

import pytest

from source_amocrm.arguments import ArgumentParser


def parser() -> ArgumentParser:
    found = ArgumentParser(prog="sync")
    found.add_argument("--config", required=True)
    found.add_argument("--to")
    found.add_argument("rest", nargs="*")
    return found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--confg", "c.json"], "There is no option --confg. Did you mean --config?"),
        (["--confg=c.json"], "There is no option --confg. Did you mean --config?"),
        (["--config", "c.json", "--zzz"], "There is no option --zzz."),
        ([], "the following arguments are required: --config"),
    ],
    ids=["misspelled", "with its value", "unlike any", "missing"],
)
def test_the_cause_is_named(given: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(given)
    assert capsys.readouterr().err.splitlines()[-1] == f"sync: error: {sentence}"


def test_what_argparse_takes_is_taken() -> None:
    found = parser().parse_args(["--conf", "c.json", "--to=-- x", "--", "--confg"])
    assert (found.config, found.to, found.rest) == ("c.json", "-- x", ["--confg"])


def test_the_options_of_a_verb_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    command = ArgumentParser(prog="fleet")
    command.add_subparsers(required=True).add_parser("sync").add_argument("--accounts")
    assert command.parse_args(["sync", "--accounts", "a"]).accounts == "a"
    with pytest.raises(SystemExit):
        command.parse_args(["sync", "--acounts", "a"])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "fleet sync: error: There is no option --acounts. Did you mean --accounts?"
    )
