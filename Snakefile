"""Faultlines: where language models and neural reasoners break, from data to report."""

import sys
from pathlib import Path

import snakemake.benchmark
from snakemake.utils import min_version

min_version("9.27.0")

sys.path.insert(0, str(workflow.basedir))

from workflow_scripts.shared.job import export_python_path
from workflow_scripts.shared.orphaned_jobs import take_over

export_python_path()


configfile: Path(workflow.basedir) / "config.yaml"


include: "rules/common.smk"
include: "rules/models.smk"
include: "rules/inference.smk"
include: "rules/clrs.smk"


for study in config["studies"]:

    include: f"rules/{study}.smk"


include: "rules/publish.smk"


onstart:
    take_over(workflow.dag, on_slurm=workflow.non_local_exec)
    # Snakemake 9.27 looks for jobs again after each timespan of its rate limit, once for every job
    # that has started so far: a tenth of the CPU time of a run. The limit is for submissions.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # To look at a large process takes 10 ms: once a second, not twice, in its first half minute.
    snakemake.benchmark.BENCHMARK_INTERVAL_SHORT = 1.0


rule all:
    default_target: True
    input:
        study_outputs,
        rules.scorecard.input,
        rules.report.input,
    localrule: True
