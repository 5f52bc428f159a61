"""Scorecard, report and archive, from the results of every study."""

from pathlib import Path

from workflow_scripts.inference import kinds
from workflow_scripts.models.registry import left_out, probe_file, served, studies_of
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
        claims=expand("results/{study}/claims.json", study=studies_of(config)),
    output:
        parquet="results/scorecard.parquet",
        markdown="results/scorecard.md",
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
            "schemas/claims.schema.yaml",
        ),
        studies=studies_of(config),
        left_out=left_out(config),
        scale=config["scale"],
    script:
        "../workflow_scripts/publish/scorecard.py"


rule publish_answers:
    input:
        scorecard=rules.publish_scorecard.output.parquet,
        replies=sorted(
            {
                path
                for studies in ANSWERED_REPLIES.values()
                for paths in studies.values()
                for path in paths
            }
        ),
        scores=expand(
            "results/{study}/scores.parquet",
            study=sorted({study for studies in ANSWERED_REPLIES.values() for study in studies}),
        ),
        probes=[probe_file(name) for name in served(config["models"], ANSWERED)],
    output:
        png=report(
            "results/answers.png",
            caption="../resources/captions/answers.rst",
            category="Claims by model",
            labels={"picture": "which claims hold for which model"},
        ),
        pdf="results/answers.pdf",
        table="results/agreement.csv",
        pages=[f"results/models/{name}/faultlines.md" for name in ANSWERED],
        shown=[
            report(
                f"results/models/{name}/faultlines.html",
                caption="../resources/captions/model_page.rst",
                category="Model pages",
                labels={"model": name},
            )
            for name in ANSWERED
        ],
    log:
        "logs/publish_answers/answers.log",
    conda:
        "../envs/publish.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint(
            "workflow_scripts/publish/answers.py",
            "resources/templates/model_page.md.j2",
            "resources/templates/model_page.html.j2",
        ),
        models={
            name: {**config["models"][name], "kind": kinds.kind(config, name)} for name in ANSWERED
        },
        asked=ANSWERED_REPLIES,
        left_out=left_out(config),
    script:
        "../workflow_scripts/publish/answers.py"


rule publish_replies:
    input:
        texts_of_models,
    output:
        readable=READABLE,
    log:
        "logs/publish_replies/replies.log",
    benchmark:
        "logs/benchmarks/publish_replies/replies.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        code=fingerprint(
            "workflow_scripts/publish/replies.py",
            *(f"workflow_scripts/{study}/replies.py" for study in {e["study"] for e in TEXTS}),
        ),
        asked=texts_asked,
    script:
        "../workflow_scripts/publish/replies.py"


rule publish_report:
    input:
        scorecard=rules.publish_scorecard.output,
        claims=rules.publish_scorecard.input.claims,
        scores=expand("results/{study}/scores.parquet", study=studies_of(config)),
        replies=rules.publish_replies.output.readable if TEXTS else [],
        answers=rules.publish_answers.output if ANSWERED else [],
        pages=model_pages,
        studies=study_outputs,
        models=rules.models.input,
        texts=report_texts,
    output:
        report="results/report.html",
        provenance="results/provenance.html",
    log:
        "logs/publish_report/report.log",
    benchmark:
        "logs/benchmarks/publish_report/report.tsv"
    conda:
        "../envs/publish.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=fingerprint(
            "workflow_scripts/publish/report.py",
            "resources/templates/report.html.j2",
            "resources/templates/report.css",
            "resources/templates/report.js",
        ),
        studies=studies_of(config),
        left_out=left_out(config),
        asked=TEXTS,
        reply_tables=tables_by_model,
        answered=ANSWERED,
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
        rules.publish_answers.output if ANSWERED else [],


rule report:
    input:
        rules.publish_report.output,


rule archive:
    input:
        rules.publish_archive.output,
