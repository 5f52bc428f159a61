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
from types import SimpleNamespace
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from workflow_scripts.inference import spending, store
from workflow_scripts.publish import packing
from workflow_scripts.shared import figures, files, fingerprint, job, locks, tables, weights

files.write_text("text.txt", "x")
files.write_json("content.json", [])
with files.atomic_folder("folder") as temporary:
    (temporary / "inside.txt").write_text("x")
tables.write(pd.DataFrame([dict(a=1)]), "table.parquet")
weights.write("heads.safetensors", dict(a=torch.zeros(1)), dict())
figures.save(plt.figure(), "figure.png")
with files.atomic("archive.zip") as temporary:
    packing.write(dict(a=packing.Member(b"x")), temporary)
responses = store.Store("responses")
responses.append([dict(request_id="a", sample=0, text="x")])
limits = dict(requests=9, tokens=None, cost=None)
spending.Spending("m", Path("responses"), limits, None).reserve(spending.Amount(1))
fingerprint._keep(dict())
empty = SimpleNamespace(items=dict().items)
with job.running(SimpleNamespace(
    rule="r", output=["out"], threads=1, log=["logs/r/r.log"], params=empty, input=[],
    wildcards=empty, config=dict(),
)):
    files.work_folder("training", seed=1)
"""


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775)]
)
def test_every_new_file_takes_the_umask(tmp_path, umask, file, folder):
    """Results, archives, replies, the ledger of what was spent, locks, logs, partial states."""
    command = [sys.executable, "-c", WRITE.format(umask=umask)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "MPLCONFIGDIR": str(tmp_path / "fonts")}
    (tmp_path / "fonts").mkdir()
    run = tmp_path / "run"
    run.mkdir()
    done = subprocess.run(command, cwd=run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = list(run.rglob("*"))
    names = {path.suffix for path in written}
    assert {
        ".txt",
        ".json",
        ".parquet",
        ".safetensors",
        ".png",
        ".pdf",
        ".zip",
        ".jsonl",
        ".log",
    } <= names
    assert sum(path.suffix == ".jsonl" for path in written) == 2
    assert any("locks" in path.parts for path in written if path.is_file())
    modes = {str(path.relative_to(run)): path.stat().st_mode & 0o777 for path in written}
    assert modes == {
        str(path.relative_to(run)): folder if path.is_dir() else file for path in written
    }


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
