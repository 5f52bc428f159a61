"""What the end-to-end tests share: one finished tree, and one real run at smoke scale."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.end_to_end import project

SMOKE = ("--configfile", "presets/smoke.yaml")
LONGEST_S = 1200  # until the first model is training, on a slow and busy machine


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The project with every result up to date, and empty."""
    folder = project.copy(tmp_path_factory.mktemp("finished"))
    project.make_up_to_date(folder)
    return folder


@pytest.fixture
def tree(finished, tmp_path):
    """A copy to change; copied times keep the results up to date."""
    return shutil.copytree(finished, tmp_path / "tree")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a real run whose first attempt was killed while a model was training.

    A test that changes something in it must restore it; its modules form one xdist group, `smoke`.
    """
    folder = project.copy(tmp_path_factory.mktemp("smoke"))
    command = [*project.FORKED, "--cores", "2", *SMOKE]
    kept = folder.with_name(f"{folder.name}.log")  # not in the project: it would be archived
    with kept.open("w") as log:
        first = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + LONGEST_S
        try:
            while first.poll() is None and not list(folder.glob("work/models/*/state.pt")):
                assert time.monotonic() < deadline, kept.read_text()
                time.sleep(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(first.pid, signal.SIGKILL)
            first.wait()
    assert not (folder / "results/report.html").exists()
    project.snakemake(folder, "--unlock", *SMOKE)
    project.snakemake(folder, *SMOKE, program=project.FORKED)
    return folder
