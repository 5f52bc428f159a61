"""Scorecard, report and archive, from the results of every study."""

from pathlib import Path

from workflow_scripts.publish.code import project_identity
from workflow_scripts.shared.files import content_hash
from workflow_scripts.shared.job import growing

# Snakemake fails on a link to an archive that was moved, instead of writing the archive again.
LATEST = Path("results/archive/latest.zip")
if LATEST.is_symlink() and not LATEST.exists():
    LATEST.unlink()


report: "../resources/captions/workflow.rst"


rule publish_scorecard:
    input:
        claims=expand("results/{study}/claims.json", study=config["studies"]),
    output:
        parquet="results/scorecard.parquet",
        markdown="results/scorecard.md",
        html=report(
            "results/scorecard.html",
            caption="../resources/captions/scorecard.rst",
            category="1. Scorecard",
            labels={"table": "every claim, published beside measured"},
        ),
    log:
        "logs/publish_scorecard/scorecard.log",
    conda:
        "../envs/publish.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint(
            "workflow_scripts/publish/scorecard.py",
            "resources/templates/scorecard.html.j2",
            "schemas/claims.schema.yaml",
        ),
        studies=list(config["studies"]),
        scale=config["scale"],
    script:
        "../workflow_scripts/publish/scorecard.py"


rule publish_report:
    input:
        scorecard=rules.publish_scorecard.output,
        studies=study_outputs,
        models=rules.models.input,
        captions=[
            project_file(f"resources/captions/{name}.rst") for name in ("workflow", "scorecard")
        ],
    output:
        report="results/report.html",
    log:
        "logs/publish_report/report.log",
    benchmark:
        "logs/benchmarks/publish_report/report.tsv"
    conda:
        "../envs/publish.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/publish/report.py"),
        targets=["scorecard", "models", *config["studies"]],
    script:
        "../workflow_scripts/publish/report.py"


rule publish_archive:
    input:
        studies=study_outputs,
        models=rules.models.input,
        scorecard=rules.publish_scorecard.output,
        report=rules.publish_report.output.report,
    output:
        latest=str(LATEST),
    log:
        "logs/publish_archive/archive.log",
    conda:
        "../envs/publish.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=fingerprint("workflow_scripts/publish/archive.py"),
        project=project_identity,
        config=content_hash(config),
        checkpoints={name: checkpoint(config["models"], name) for name in config["models"]},
    script:
        "../workflow_scripts/publish/archive.py"


rule scorecard:
    input:
        rules.publish_scorecard.output,


rule report:
    input:
        rules.publish_report.output,


rule archive:
    input:
        rules.publish_archive.output,
