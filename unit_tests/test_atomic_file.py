"""A file written whole: whatever is killed at whatever moment, the old text or the new one is there."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from source_amocrm import atomic_file

CALLS = ("open", "fchmod", "write", "ftruncate", "fsync", "close", "replace", "open", "fsync", "close")
"""What one write asks of the system, in order; the second file that is opened is the folder."""
OLD, NEW = (atomic_file.json_text({"token": token}) for token in ("old", "new"))


def read(path: Path) -> str:
    return atomic_file.json_text(atomic_file.read_json(path))


def after(nth: int, then: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that are met; `then` comes after the nth of them."""
    met: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = real(*arguments, **named)
            met.append(name)
            if len(met) == nth:
                then()
            return result

        return call

    for name in set(CALLS):
        monkeypatch.setattr(os, name, watched(name))
    return met


def test_it_asks_the_system_for_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        met = after(0, lambda: None, patch)
        atomic_file.write(tmp_path / "file", NEW)
    assert tuple(met) == CALLS
    assert read(tmp_path / "file") == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("nth", range(1, len(CALLS) + 1))
def test_a_process_that_dies_after_each_call(nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    atomic_file.write(file, OLD)
    child = os.fork()
    if not child:
        after(nth, lambda: os._exit(9), monkeypatch)
        atomic_file.write(file, NEW)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    # once the draft has been written whole, it is the only one that has the new token
    assert read(file) == (NEW if nth >= CALLS.index("write") + 1 else OLD)
    assert read(file) == file.read_text()
    atomic_file.write(file, NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_a_disk_that_fails_leaves_the_old_text(nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    atomic_file.write(file, OLD)

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        after(nth, fail, patch)
        with pytest.raises(OSError, match="No space"):
            atomic_file.write(file, NEW)
    assert read(file) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("half", ["", NEW[:7], "\0" * 20])
def test_half_a_draft_is_none(half: str, tmp_path: Path) -> None:
    atomic_file.write(tmp_path / "file", OLD)
    (tmp_path / ".file.new").write_text(half)
    assert read(tmp_path / "file") == OLD


def test_a_draft_that_somebody_has_overtaken_is_none(tmp_path: Path) -> None:
    (tmp_path / ".file.new").write_text(NEW)
    os.utime(tmp_path / ".file.new", (1, 1))
    (tmp_path / "file").write_text(OLD)
    assert read(tmp_path / "file") == OLD


def test_a_writer_that_is_killed_a_dozen_times_never_goes_back(tmp_path: Path) -> None:
    """It says each number once the file has it; the file then never holds a lower one."""
    file = tmp_path / "file"
    script = (
        "import json, sys; from pathlib import Path; from source_amocrm import atomic_file\n"
        "path, number = Path(sys.argv[1]), int(sys.argv[2])\n"
        "while True:\n"
        "    number += 1\n"
        "    atomic_file.write(path, json.dumps({'number': number, 'filled': 'x' * 200_000}))\n"
        "    print(number, flush=True)\n"
    )
    last = 0
    for round_ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", script, str(file), str(last)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        said = [int(process.stdout.readline()) for _ in range(2 + round_ % 3)]
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split("\n")[:-1]
        held = atomic_file.read_json(file)
        assert held["number"] >= max([*said, *map(int, rest)]) > last
        assert len(held["filled"]) == 200_000
        last = held["number"]


def test_it_is_its_owner_s_alone_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "file").symlink_to("secrets/file")
    before = os.umask(0)
    try:
        atomic_file.write(tmp_path / "file", NEW)
    finally:
        os.umask(before)
    assert (tmp_path / "file").is_symlink()
    assert stat.S_IMODE((tmp_path / "secrets" / "file").stat().st_mode) == 0o600
    assert read(tmp_path / "file") == NEW


IN_PLACE = ("open", "fchmod", "write", "ftruncate", "fsync", "close", "write", "ftruncate", "fsync", "write", "fsync")
"""What a write in place asks of the system after the rename that was refused, up to the end of the content."""


def mounted(patch: pytest.MonkeyPatch) -> None:
    """Lets no rename replace a file, as the system does for a file that is mounted by itself."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    patch.setattr(os, "replace", refuse)


@pytest.mark.parametrize("new", [NEW, "{}\n", NEW + " " * 9000], ids=["as long", "shorter", "longer"])
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text(OLD)
    inode = file.stat().st_ino
    mounted(monkeypatch)
    atomic_file.prove(file, len(new))
    assert read(file) == OLD
    atomic_file.write(file, new)
    assert (file.read_text(), file.stat().st_ino) == (new, inode)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("nth", range(1, len(IN_PLACE) + 5))
def test_a_process_that_dies_while_it_writes_in_place(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    atomic_file.write(file, OLD)
    child = os.fork()
    if not child:
        mounted(monkeypatch)
        after(nth, lambda: os._exit(9), monkeypatch)
        atomic_file.write(file, NEW)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (9, 0)
    assert read(file) == (NEW if nth >= IN_PLACE.index("write") + 1 else OLD)
    atomic_file.prove(file, 100)
    assert read(file) == read(file) == (NEW if nth >= IN_PLACE.index("write") + 1 else OLD)


def test_a_draft_that_cannot_take_the_place_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier run left the newest token there: to prove that a file can be written must not cost it."""
    file, draft = tmp_path / "file", tmp_path / ".file.new"
    file.write_text(OLD)
    draft.write_text(NEW)
    mounted(monkeypatch)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            atomic_file.prove(file, 100)
    assert read(file) == NEW == file.read_text()
    assert not draft.exists()


@pytest.mark.parametrize(
    ("options", "outcome"),
    [("rw", "written in place"), ("ro", "[Errno 30] Read-only file system"), ("rw,folder", "written in place")],
)
def test_a_file_that_is_mounted_by_itself(options: str, outcome: str, tmp_path: Path) -> None:
    """`rw,folder`: and its folder takes no other file, as with Kubernetes' readOnlyRootFilesystem."""
    if sys.platform != "linux" or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("only Linux mounts a file by itself, and here nobody may mount")
    (tmp_path / "outside").write_text(OLD)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").touch()
    mode, _, folder = options.partition(",")
    script = (
        "import os, sys; from pathlib import Path; from source_amocrm import atomic_file\n"
        "file = Path('inside/file')\n"
        "try:\n    atomic_file.prove(file, 9000)\n"
        "except OSError as error: sys.exit(str(error).partition(': ')[0])\n"
        "assert atomic_file.read_json(file) == {'token': 'old'}\n"
        "atomic_file.write(file, atomic_file.json_text({'token': 'new'}))\n"
        "sys.exit('written in place')\n"
    )
    commands = [
        *(["mount --bind inside inside && mount -o remount,bind,ro inside"] if folder else []),
        f"mount --bind outside inside/file && mount -o remount,bind,{mode} inside/file",
        'exec "$0" -c "$1"',
    ]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-ec", "\n".join(commands), sys.executable, script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.strip() == outcome
    assert read(tmp_path / "outside") == (NEW if outcome == "written in place" else OLD)
