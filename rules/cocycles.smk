"""Study `cocycles`: "Asynchronous Algorithmic Alignment with Cocycles" (2306.15632)."""

COCYCLES_FIGURE_2 = project_file("resources/published/cocycles_figure2_digitised.csv")
COCYCLES_SETTINGS = (  # of one training run
    *("width", "steps", "batch", "learning_rate", "max_grad_norm", "chunk_steps"),
    *("validate_every", "inverted_pointers"),
)
COCYCLES_DOMAIN = ("nodes", "values", "states")  # what the certificate searches
COCYCLES_PROTOCOL = (  # what the claims compare with the paper's
    *("algorithms", "processors", "steps", "seeds", "width", "batch", "learning_rate"),
    *("max_grad_norm", "inverted_pointers"),
)


wildcard_constraints:
    processor="l[a-z0-9_]+",


COCYCLES_FIGURES = [
    "tasks",
    "asynchrony",
    "trace",
    "flow",
    "machines",
    "residuals",
    "degrees",
    "rules",
    "convergence",
    "certificate",
]
COCYCLES_MODULES = {  # one that is null is left out
    name: entry
    for name, entry in config["cocycles"]["certificate"]["modules"].items()
    if entry is not None
}


rule cocycles_algebra:
    output:
        table="results/cocycles/algebra.parquet",
    log:
        "logs/cocycles_algebra/algebra.log",
    benchmark:
        "logs/benchmarks/cocycles_algebra/algebra.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        code=fingerprint("workflow_scripts/cocycles/algebra.py"),
        algebra=config["cocycles"]["algebra"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/algebra.py"


rule cocycles_schedules:
    output:
        table="results/cocycles/schedules.parquet",
    log:
        "logs/cocycles_schedules/schedules.log",
    benchmark:
        "logs/benchmarks/cocycles_schedules/schedules.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/cocycles/schedules.py"),
        schedules=config["cocycles"]["schedules"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/schedules.py"


rule cocycles_messages:
    output:
        table="results/cocycles/messages.parquet",
    log:
        "logs/cocycles_messages/messages.log",
    benchmark:
        "logs/benchmarks/cocycles_messages/messages.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/cocycles/messages.py"),
        messages=config["cocycles"]["messages"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/messages.py"


rule cocycles_certificate:
    input:
        # A comment in a file of the project re-runs nothing: `code` tells when its code changes.
        sources=[
            (
                ancient(project_file(path))
                if path.startswith("workflow_scripts/")
                else project_file(path)
            )
            for path in (entry["file"] for entry in COCYCLES_MODULES.values())
        ],
        weights=[
            project_file(entry["weights"])
            for entry in COCYCLES_MODULES.values()
            if entry.get("weights")
        ],
    output:
        table="results/cocycles/certificate.parquet",
        report="results/cocycles/certificate.md",
    log:
        "logs/cocycles_certificate/certificate.log",
    benchmark:
        "logs/benchmarks/cocycles_certificate/certificate.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        code=fingerprint("workflow_scripts/cocycles/certificate.py"),
        modules=COCYCLES_MODULES,
        settings={key: config["cocycles"]["certificate"][key] for key in COCYCLES_DOMAIN},
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/certificate.py"


rule cocycles_train:
    input:
        data="results/clrs/data/{algorithm}.npz",
    output:
        models=expand(
            "results/cocycles/reasoners/{{processor}}/{{algorithm}}/{index}.safetensors",
            index=range(config["cocycles"]["training"]["seeds"]),
        ),
        curve="results/cocycles/reasoners/{processor}/{algorithm}/curve.parquet",
    log:
        "logs/cocycles_train/{processor}/{algorithm}.log",
    benchmark:
        "logs/benchmarks/cocycles_train/{processor}/{algorithm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(algorithm_mb),
        runtime=growing(config["cocycles"]["training"]["runtime_min"]),
        gpu=config["cocycles"]["training"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/cocycles/train.py"),
        settings={key: config["cocycles"]["training"][key] for key in COCYCLES_SETTINGS},
        checkpoint_every=config["cocycles"]["training"]["checkpoint_every"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/train.py"


rule cocycles_trained:
    input:
        data="results/clrs/data/{algorithm}.npz",
        models=expand(
            "results/cocycles/reasoners/{processor}/{{algorithm}}/{index}.safetensors",
            processor=config["cocycles"]["training"]["processors"],
            index=range(config["cocycles"]["training"]["seeds"]),
        ),
    output:
        table="results/cocycles/trained/{algorithm}.parquet",
    log:
        "logs/cocycles_trained/{algorithm}.log",
    benchmark:
        "logs/benchmarks/cocycles_trained/{algorithm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(algorithm_mb),
        runtime=growing(config["cocycles"]["training"]["runtime_min"]),
        gpu=config["cocycles"]["training"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/cocycles/trained.py"),
        processors=config["cocycles"]["training"]["processors"],
        steps=config["cocycles"]["training"]["steps"],
        degrees=config["cocycles"]["training"]["degrees"],
        samples=config["cocycles"]["training"]["samples"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/trained.py"


rule cocycles_scores:
    input:
        algebra="results/cocycles/algebra.parquet",
        schedules="results/cocycles/schedules.parquet",
        messages="results/cocycles/messages.parquet",
        certificate="results/cocycles/certificate.parquet",
        trained=expand(
            "results/cocycles/trained/{algorithm}.parquet",
            algorithm=config["cocycles"]["training"]["algorithms"],
        ),
    output:
        table="results/cocycles/scores.parquet",
    log:
        "logs/cocycles_scores/scores.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/cocycles/scores.py"),
    script:
        "../workflow_scripts/cocycles/scores.py"


rule cocycles_claims:
    input:
        scores="results/cocycles/scores.parquet",
        figure_2=COCYCLES_FIGURE_2,
    output:
        claims="results/cocycles/claims.json",
    log:
        "logs/cocycles_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/cocycles/claims.py"),
        settings={key: config["cocycles"]["training"][key] for key in COCYCLES_PROTOCOL}
        | {"data": config["clrs"]["data"]},
    script:
        "../workflow_scripts/cocycles/claims.py"


rule cocycles_figures:
    input:
        scores="results/cocycles/scores.parquet",
        figure_2=COCYCLES_FIGURE_2,
    output:
        png=figure_pngs("cocycles", COCYCLES_FIGURES),
        pdf=expand("results/cocycles/figures/{figure}.pdf", figure=COCYCLES_FIGURES),
    log:
        "logs/cocycles_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/cocycles/figures.py"),
    script:
        "../workflow_scripts/cocycles/figures.py"


rule cocycles:
    input:
        scores=rules.cocycles_scores.output.table,
        figures=rules.cocycles_figures.output,
        claims=rules.cocycles_claims.output.claims,
