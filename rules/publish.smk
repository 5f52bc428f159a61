"""Scorecard, report and archive, from the results of every study."""

from pathlib import Path

from workflow_scripts.inference import kinds
from workflow_scripts.models.registry import left_out, probe_file, served, studies_of, studies_with
from workflow_scripts.optimizers import source as optimizers_source
from workflow_scripts.publish import decidable as what_it_decides
from workflow_scripts.publish.code import project_identity
from workflow_scripts.shared.files import content_hash
from workflow_scripts.shared.job import growing

# Snakemake fails on a link to an archive that was moved, instead of writing the archive again.
LATEST = Path("results/archive/latest.zip")
if LATEST.is_symlink() and not LATEST.exists():
    LATEST.unlink()

# The models of a study that the workflow did not train: the claims hold for them or fail.
ANSWERED = [
    name
    for name, spec in config["models"].items()
    if spec["source"] != "train" and studies_with(config, name)
]
ANSWERED_REPLIES = {
    name: {study: reply_tables(study, name) for study in studies_with(config, name)}
    for name in ANSWERED
}
# The categories of the report in their order, which is that of their names.
ORDER = ["Claims by model", "Scorecard", "Model pages"] if ANSWERED else ["Scorecard"]
CATEGORIES = {name: f"{number}. {name}" for number, name in enumerate(ORDER, 1)}


report: "../resources/captions/workflow.rst"


localrules:
    publish_decidable,


def claims_arguments(study):
    """What the study's rule of claims gives to its script: settings, and files of published numbers."""
    own = getattr(rules, f"{study}_claims")
    inputs = {
        name: str(value) if isinstance(value, str) else list(map(str, value))
        for name, value in own.input.items()
        if name != "scores"
    }
    return inputs | {name: value for name, value in own.params.items() if name != "code"}


rule publish_decidable:
    output:
        decidable="results/decidable.json",
    log:
        "logs/publish_decidable/decidable.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint(
            "workflow_scripts/publish/decidable.py",
            *(f"workflow_scripts/{study}/claims.py" for study in studies_of(config)),
        ),
        default=project_file("resources/reference/default.csv"),
        arguments={study: claims_arguments(study) for study in studies_of(config)},
        units=what_it_decides.units(config, DEFAULTS),
        data=optimizers_source.named(config["optimizers"]["data"]["source"]),
    script:
        "../workflow_scripts/publish/decidable.py"


rule publish_scorecard:
    input:
        claims=expand("results/{study}/claims.json", study=studies_of(config)),
    output:
        parquet="results/scorecard.parquet",
        markdown="results/scorecard.md",
        html=report(
            "results/scorecard.html",
            caption="../resources/captions/scorecard.rst",
            category=CATEGORIES["Scorecard"],
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
            category=CATEGORIES.get("Claims by model"),
            labels={"picture": "which claims hold for which model"},
        ),
        pdf="results/answers.pdf",
        table="results/agreement.csv",
        pages=[f"results/models/{name}/faultlines.md" for name in ANSWERED],
        shown=[
            report(
                f"results/models/{name}/faultlines.html",
                caption="../resources/captions/model_page.rst",
                category=CATEGORIES["Model pages"],
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


rule publish_report:
    input:
        scorecard=rules.publish_scorecard.output,
        answers=rules.publish_answers.output if ANSWERED else [],
        studies=study_outputs,
        models=rules.models.input,
        captions=[
            project_file(f"resources/captions/{name}.rst")
            for name in ("workflow", "scorecard", "answers", "model_page")
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
        targets=["scorecard", "models", *studies_of(config)],
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


rule decidable:
    input:
        rules.publish_decidable.output,


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
