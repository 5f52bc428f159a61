"""Attempts at a group of jobs: one after the other, each with the memory that it says."""

import re

import pytest

from tests.slurm.cluster import call
from tests.slurm.runs import TARGETS, Run

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

# Notes each attempt; the tokenizer succeeds with four times its memory only.
NOTE = """
import os
with open("attempts.txt", "a") as notes:
    print(snakemake.rule, snakemake.resources.mem_mb, os.environ["SLURM_JOB_ID"], file=notes)
if snakemake.rule == "models_tokenizer" and snakemake.resources.mem_mb < {enough}:
    raise SystemExit(1)
"""


def test_a_group_is_tried_three_times_even_if_a_rule_has_retries_of_its_own(cluster, tmp_path):
    run = Run(tmp_path, cluster)
    rules = run.folder / "rules/models.smk"
    head, _, rest = rules.read_text().partition("rule models_tokenizer:\n")
    first = int(re.search(r"mem_mb=growing\((\d+)\)", rest)[1])
    rules.write_text(f"{head}rule models_tokenizer:\n    retries: 2\n{rest}")
    for name in ("corpus", "tokenizer"):
        script = run.folder / f"workflow_scripts/models/{name}.py"
        body, main, end = script.read_text().rpartition("    job.run(")
        note = NOTE.format(enough=4 * first).strip().replace("\n", "\n    ")
        script.write_text(f"{body}    {note}\n{main}{end}")
    run.start(TARGETS[1])
    run.finish()
    lines = [line.split() for line in (run.folder / "attempts.txt").read_text().splitlines()]
    tokenizer = [(int(mb), job) for rule, mb, job in lines if rule == "models_tokenizer"]
    assert [mb for mb, _ in tokenizer] == [first, 2 * first, 4 * first]
    form = "--format=%i|%m"
    text = call("squeue", "-h", "--states=all", form)
    given = dict(line.split("|") for line in text.splitlines())
    assert all(mb <= int(given[job].removesuffix("M")) for mb, job in tokenizer)
    assert len({job for _, job in tokenizer}) == 3
    assert len(lines) == 6  # the corpus ran with each
