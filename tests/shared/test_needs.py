"""What jobs of the paper preset need, from measurements, against what three attempts allow them."""

import re
from typing import NamedTuple

import pytest

from workflow_scripts.clrs import export
from workflow_scripts.clrs.size import KB, sets_mb
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.snakemake_internals import blocks, dry_run

ATTEMPTS = (1, 2, 4)  # times memory and time, by `growing` and `retries: 2`
PAPER = config_files.merged([ROOT / "presets/paper.yaml"])
STUDIES = ("transnar", "cocycles", "optimizers", "softmax", "perplexity")
# Measured hours of one arm on one CPU.
DECODER_H = 200


class Job(NamedTuple):
    """What a planned job asks for at its first attempt, in MB and hours, and its wildcards."""

    rule: str
    wildcards: dict[str, str]
    mb: int
    hours: float


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    files = ["--configfile", str(ROOT / "presets/paper.yaml")]
    profile = ["--workflow-profile", str(ROOT / "profiles/slurm")]
    given = ["--snakefile", str(ROOT / "Snakefile"), *profile, *files, "--", *STUDIES]
    found = []
    for block in blocks(dry_run(given, folder)):
        resources = dict(re.findall(r"(\w+)=([^,]+)", block.fields.get("resources", "")))
        wildcards = dict(re.findall(r"(\w+)=([^,\s]+)", block.fields.get("wildcards", "")))
        if "runtime" in resources:
            asked = int(resources["mem_mb"]), int(resources["runtime"]) / 60
            found.append(Job(block.rule, wildcards, *asked))
    return found


def fitted_h() -> dict[str, float]:
    """Hours of all jobs of a rule at the paper preset, at most: the last columns of
    docs/scaling.md."""
    text = (ROOT / "docs/scaling.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \|(?:[^|]*\|){5} ([^|]*)\| ([^|]*)\|$", text, re.M)
    ends = {rule: (cpu + gpu).replace(",", "").split(" to ")[-1] for rule, cpu, gpu in rows}
    return {rule: float(most) for rule, most in ends.items()}


def mb(job: Job) -> float:
    """MB that a job holds, beyond libraries and network (1,000 MB), by its settings."""
    train, text = PAPER["clrs"]["data"]["train"], PAPER["transnar"]["data"]["text_train"]
    algorithm = job.wildcards.get("algorithm")
    if job.rule == "clrs_train":
        return sets_mb(PAPER["clrs"]["reasoners"][job.wildcards["reasoner"]]["algorithms"], train)
    if job.rule == "clrs_export":
        # The sets, of which the one that is being joined counts twice, before they are compressed.
        return 1.5 * (sets_mb([algorithm], train) + sets_mb([algorithm], text))
    if job.rule in ("cocycles_train", "cocycles_trained"):
        return sets_mb([algorithm], train)
    if job.rule in ("transnar_train", "transnar_pretrained_train"):
        return sets_mb(PAPER["transnar"]["algorithms"], text)
    if job.rule == "optimizers_sparsity":
        own = PAPER["optimizers"]["sparsity"]
        draws = 2 * 12 * own["seeds"] * own["steps"] * own["batch"]  # bytes; joined, so twice
        replicas = own["seeds"] * len(own["alphas"])
        images = 4 * 60_000 * 784
        logits = 2 * 4 * 10_000 * replicas * (10 + sum(own["hidden"]))  # of the test set
        return (draws + images + logits) / 1e6
    return 0


# Rules that continue where they were killed, so that attempts add up.
RESUMED = {
    "clrs_evaluate",
    "clrs_train",
    "cocycles_train",
    "cocycles_trained",
    "models_train",
    "optimizers_continual",
    "optimizers_sparsity",
    "perplexity_copiers",
    "perplexity_parity",
    "softmax_train",
    "transnar_evaluate",
    "transnar_pretrained_evaluate",
    "transnar_pretrained_train",
    "transnar_train",
}


def test_three_attempts_hold_the_memory_of_every_job(jobs):
    need = [(job, 1000 + mb(job)) for job in jobs]
    assert not [(job, n) for job, n in need if n > ATTEMPTS[-1] * job.mb]
    # What follows from settings fits at the first attempt.
    sized = {"clrs_train", "clrs_export", "cocycles_train", "cocycles_trained", "transnar_train"}
    sized.add("transnar_pretrained_train")
    assert not [(job, n) for job, n in need if job.rule in sized and n > job.mb]


def test_three_attempts_hold_the_time_of_every_job(jobs):
    hours = fitted_h() | {"transnar_evaluate": DECODER_H * len(PAPER["transnar"]["arms"])}
    assert len(hours) > 10
    short = []
    for rule in {job.rule for job in jobs} & set(hours):
        own = [job for job in jobs if job.rule == rule]
        # The largest job of a rule: `all` has as many batches as all other reasoners together.
        share = 0.5 if rule == "clrs_train" else 2 / len(own) if len(own) > 1 else 1
        share = 1 / len(own) if rule == "transnar_evaluate" else share
        least = min(job.hours for job in own)
        allowed = least * (sum(ATTEMPTS) if rule in RESUMED else ATTEMPTS[-1])
        if hours[rule] * share > allowed:
            short.append(f"{rule}: {hours[rule] * share:.1f} h, {allowed:.1f} h allowed")
    assert not short


def test_a_rule_that_counts_as_resumed_keeps_its_state():
    for rule in RESUMED:
        study, _, name = rule.partition("_")
        text = (ROOT / f"workflow_scripts/{study}/{name}.py").read_text()
        assert re.search(r"work_folder\(|Parts\(", text), rule


def test_sizes_of_trajectories_are_those_that_are_drawn():
    sizes, samples = [4, 7, 11, 13, 16], 20
    drawn = 0
    for nodes in sizes:
        _, columns = export.trajectories("bfs", "train", nodes, samples, 1)
        drawn += sum(column.nbytes for column in columns.values())
    assert drawn / 1000 / samples / len(sizes) == pytest.approx(KB["bfs"], rel=0.1)
