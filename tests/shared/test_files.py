"""Files that are whole or absent, with the permissions that the user's umask gives."""

import subprocess
import sys

import pytest

from workflow_scripts.shared import files
from workflow_scripts.shared.fingerprint import ROOT

WRITE = """
import os
os.umask({umask})
from pathlib import Path
from workflow_scripts.shared import files
files.write_text("a.txt", "x")
with files.atomic_folder("folder") as temporary:
    (temporary / "b.txt").write_text("x")
"""


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [("0o077", 0o600, 0o700), ("0o002", 0o664, 0o775)]
)
def test_new_files_take_the_umask(tmp_path, umask, file, folder):
    command = [sys.executable, "-c", WRITE.format(umask=umask)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a.txt": file, "folder": folder, "b.txt": file}


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail():
        with files.atomic(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
