"""One cluster for all tests of this folder, and the results of the same jobs without it."""

import subprocess

import pytest

from tests.end_to_end import project
from tests.slurm import cluster as machine
from tests.slurm.runs import SCALE, TARGETS, Run


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    if reason := machine.why_not():
        pytest.skip(f"no Slurm here: {reason}")
    started = machine.Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        started.start()
    except (TimeoutError, RuntimeError, subprocess.SubprocessError) as error:
        started.stop()
        pytest.skip(f"Slurm does not start here: {error}")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def local(cluster, tmp_path_factory):
    """The folder of an undisturbed run on this machine."""
    run = Run(tmp_path_factory.mktemp("local"), cluster)
    project.snakemake(run.folder, *SCALE, "--", *TARGETS)
    return run.folder
