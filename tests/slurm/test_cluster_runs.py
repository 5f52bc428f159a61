"""The workflow on a real Slurm, through the shipped profile: the same bytes after every fault."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.slurm.cluster import call, wait
from tests.slurm.runs import (
    HEADS,
    LIMIT_S,
    PROFILE,
    SCALE,
    TARGETS,
    TESTS,
    Run,
    first_percent,
    outputs,
    signal_scripts,
)

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

# Retrieval runs on the nodes with GPUs; theory has too little memory at its first attempt.
RESOURCES = (
    "--set-resources",
    "softmax_train:slurm_partition='gpu' if wildcards.training == 'retrieval' else 'cpu'",
    "softmax_train:gpu=1 if wildcards.training == 'retrieval' else 0",
    "softmax_theory:mem_mb=60 if attempt == 1 else 1000",
)


@pytest.fixture(scope="module")
def disturbed(cluster, local, tmp_path_factory):
    """A run in which four jobs fail at their first attempt, each in a different way."""
    run = Run(tmp_path_factory.mktemp("disturbed"), cluster)
    run.start(*TARGETS, more=RESOURCES)
    jobs = {
        name: run.freeze(*name.split("/"), local)
        for name in ("comparison/softmax", "comparison/sparsemax", "retrieval/softmax")
    }
    call("scancel", jobs["comparison/softmax"])
    # A frozen job would reach its time limit; this has the same effect sooner.
    call("scontrol", "update", f"JobId={jobs['comparison/sparsemax']}", "EndTime=now+1")
    node = call("squeue", "-h", "-j", jobs["retrieval/softmax"], "-o", "%N")
    cluster.stop_node(node)
    # Not sinfo, which reports a node that went down with a job as "completing".
    wait(f"{node} is down", lambda: "DOWN" in call("scontrol", "show", "node", node), LIMIT_S)
    cluster.start_node(node)
    run.finish()
    cluster.wait_until_idle()
    return run


def attempts(run: Run, comment: str) -> list[list[str]]:
    """State, memory, time limit and nodes of each attempt at a job, in order."""
    form = "--format=%i|%Z|%k|%T|%m|%l|%N"
    lines = [line.split("|") for line in call("squeue", "-h", "--states=all", form).splitlines()]
    mine = [line for line in lines if line[1] == str(run.folder) and line[2] == comment]
    return [line[3:] for line in sorted(mine, key=lambda line: int(line[0]))]


def test_the_results_are_those_of_the_local_run_to_the_byte(disturbed, local):
    assert outputs(disturbed.folder) == outputs(local)


def test_only_what_a_fault_hit_ran_again(disturbed):
    assert disturbed.submitted() == Counter(
        {
            "softmax_train": 3 + 3,
            "softmax_softmax_theory": 1 + 1,
            "softmax_evaluate": 2,
            "softmax_softmax_maps": 1,
            "models_data_models_corpus_models_tokenizer": 1,  # one submission for the group
        }
    )


def test_a_cancelled_job_goes_on_with_twice_the_memory_and_time(disturbed):
    first, second = attempts(disturbed, "rule_softmax_train_wildcards_comparison_softmax")
    assert first[:3] == ["CANCELLED", "2000M", "4:00:00"]
    assert second[:3] == ["COMPLETED", "4000M", "8:00:00"]
    assert first_percent(disturbed.folder, "comparison", "softmax") > 0


def test_a_job_over_its_time_goes_on_from_its_state(disturbed):
    first, second = attempts(disturbed, "rule_softmax_train_wildcards_comparison_sparsemax")
    assert (first[0], second[0]) == ("TIMEOUT", "COMPLETED")
    assert first_percent(disturbed.folder, "comparison", "sparsemax") > 0


def test_a_job_over_its_memory_gets_more(disturbed):
    first, second = attempts(disturbed, "rule_softmax_softmax_theory")
    assert first[0] in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")
    assert second[:2] == ["COMPLETED", "1000M"]


def test_a_job_whose_node_is_lost_goes_on_elsewhere_or_there_once_it_is_back(disturbed):
    first, second = attempts(disturbed, "rule_softmax_train_wildcards_retrieval_softmax")
    assert (first[0], second[0]) == ("NODE_FAIL", "COMPLETED")
    assert {first[3], second[3]} <= {"g1", "g2"}
    assert first_percent(disturbed.folder, "retrieval", "softmax") > 0


@pytest.fixture(scope="module")
def folder(cluster, tmp_path_factory):
    """One folder for runs whose submitter is killed, or whose controller goes down."""
    return Run(tmp_path_factory.mktemp("submitters"), cluster)


def taken_up(run: Run, *targets: str) -> str:
    """The log of the run that follows a submitter's end, as in docs/cluster.md."""
    command = [sys.executable, "-m", "snakemake", *PROFILE, *SCALE, "--unlock", "--", *targets]
    subprocess.run(command, cwd=run.folder, check=True, capture_output=True)
    run.start(*targets)
    return run.finish()


def same(run: Run, local, *names: str) -> bool:
    return all((run.folder / n).read_bytes() == (local / n).read_bytes() for n in names)


def test_after_sigkill_the_next_run_cancels_what_was_left_and_goes_on(folder, local):
    theory, test = TARGETS[0], f"{TESTS}/comparison/softmax.parquet"
    folder.start(theory, test)
    wait("theory is there", (folder.folder / theory).exists, LIMIT_S)
    left = folder.freeze("comparison", "softmax", local)
    os.killpg(folder.process.pid, signal.SIGKILL)
    folder.process.wait()
    assert call("squeue", "-h", "-j", left, "-o", "%T") == "RUNNING"
    log = taken_up(folder, theory, test)
    assert f"an earlier run left in Slurm's queue ({left})" in log
    assert folder.submitted() == {"softmax_train": 1, "softmax_evaluate": 1}  # and no theory
    assert first_percent(folder.folder, "comparison", "softmax") > 0
    assert same(folder, local, theory, test, f"{HEADS}/comparison/softmax.safetensors")


def test_after_sigint_nothing_is_left_and_the_next_run_goes_on(folder, local):
    test = f"{TESTS}/comparison/sparsemax.parquet"
    folder.start(test)
    left = folder.freeze("comparison", "sparsemax", local)
    os.kill(folder.process.pid, signal.SIGINT)
    folder.process.wait(timeout=LIMIT_S)
    signal_scripts(left, signal.SIGCONT)
    wait("nothing is left", lambda: call("squeue", "-h", "-j", left, "-o", "%T") == "", LIMIT_S)
    folder.start(test)
    assert "an earlier run left" not in folder.finish()
    assert folder.submitted() == {"softmax_train": 1, "softmax_evaluate": 1}
    assert first_percent(folder.folder, "comparison", "sparsemax") > 0
    assert same(folder, local, test)


def test_a_job_that_ends_while_the_controller_is_down_is_not_lost(folder, local, cluster):
    maps = "results/softmax/maps.parquet"
    folder.start(maps)
    job = folder.freeze("retrieval", "softmax", local)
    cluster.stop_controller()
    signal_scripts(job, signal.SIGCONT)
    weights = folder.folder / HEADS / "retrieval/softmax.safetensors"
    wait("the training is done", weights.exists, LIMIT_S)
    cluster.start_controller()
    folder.finish()
    assert folder.submitted() == {"softmax_train": 1, "softmax_softmax_maps": 1}
    assert same(folder, local, maps)
