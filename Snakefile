"""Faultlines: where language models and neural reasoners break, from data to report."""

import sys
from pathlib import Path

from snakemake import __version__

sys.path.insert(0, str(workflow.basedir))

from workflow_scripts.models import lock
from workflow_scripts.shared import config as config_files, filesystem, snakemake_internals
from workflow_scripts.shared import slurm_internals, terminal_text
from workflow_scripts.shared.job import export_python_path
from workflow_scripts.shared.orphaned_jobs import take_over

try:
    snakemake_internals.check_version(__version__)
    snakemake_internals.check_folder(workflow.basedir)
    snakemake_internals.check_folder(".")
    DEFAULTS = config_files.read_yaml(f"{workflow.basedir}/config.yaml")
except (
    snakemake_internals.VersionError,
    snakemake_internals.FolderError,
    config_files.ConfigError,
) as error:
    raise WorkflowError(str(error))

export_python_path()
terminal_text.tolerate()
snakemake_internals.run_anywhere()
filesystem.use_caches_at_hand()
snakemake_internals.limit_gpus(workflow)
interruption = snakemake_internals.tell_interruptions(workflow.is_main_process)


configfile: Path(workflow.basedir) / "config.yaml"


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/models.smk"
include: "rules/inference.smk"
include: "rules/clrs.smk"


for study in studies_of(config):

    include: f"rules/{study}.smk"


include: "rules/publish_common.smk"
include: "rules/publish.smk"
include: "rules/decidable.smk"


snakemake_internals.retry_once(workflow)
slurm_internals.adapt(workflow)
snakemake_internals.refuse_targets(workflow, left_out(config))


onstart:
    interruption.planning = False
    try:
        lock.refuse(UNLOCKED, {job.rule.name for job in workflow.dag.needrun_jobs()})
    except ConfigError as error:
        raise WorkflowError(str(error))
    filesystem.try_out("work")
    snakemake_internals.quicken(workflow)
    snakemake_internals.share_gpus(workflow)
    if workflow.non_local_exec:
        slurm_internals.watch_folder()
    take_over(workflow.dag, on_slurm=workflow.non_local_exec)


onerror:
    print(interruption.summary(workflow) or "", end="", file=sys.stderr)


rule all:
    default_target: True
    input:
        study_outputs,
        rules.scorecard.input,
        rules.report.input,
