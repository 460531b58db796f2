"""What a config file refers to is read within bounds, and what is no config is told in a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from source_amocrm.config_file import DEEPEST, LARGEST_REFERENCE, ConfigFile, ConfigFileError

CREDENTIALS = "credentials.access_token"


def referring(folder: Path, to: Path | str) -> ConfigFile:
    path = folder / "north.json"
    path.write_text(json.dumps({"credentials": {"access_token": {"file": str(to)}}}))
    return ConfigFile(path)


def test_a_reference_to_a_device_or_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for to in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(ConfigFileError) as caught:
            referring(tmp_path, to).settings()
        assert str(caught.value) == f"{CREDENTIALS} is in the file {to}, which cannot be read: it is no regular file."


def test_a_reference_to_a_large_file_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x" * LARGEST_REFERENCE)
    assert len(referring(tmp_path, secret).settings()["credentials"]["access_token"]) == LARGEST_REFERENCE
    secret.write_text("x" * (LARGEST_REFERENCE + 1))
    with pytest.raises(ConfigFileError, match="it is larger than 64 KB, as no secret is"):
        referring(tmp_path, secret).settings()


def test_a_reference_may_be_a_link(tmp_path: Path) -> None:
    """As Kubernetes gives secrets."""
    (tmp_path / "secret").write_text("a-token\n")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    assert referring(tmp_path, tmp_path / "link").settings() == {"credentials": {"access_token": "a-token"}}


@pytest.mark.parametrize("levels", [DEEPEST, 300, 3_000, 100_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_a_config_that_is_nested_deeply(levels: int, begin: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "north.json"
    path.write_text('{"start_date":' + begin * levels + "1" + end * levels + "}")
    with pytest.raises(ConfigFileError) as caught:
        ConfigFile(path).settings()
    assert str(caught.value) == (
        f"The config {path} is nested more deeply than any setting is. `source-amocrm connect` writes one."
    )
