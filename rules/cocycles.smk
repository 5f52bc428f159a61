"""Study `cocycles`: "Asynchronous Algorithmic Alignment with Cocycles" (2306.15632)."""

COCYCLES_FIGURE_2 = project_file("resources/published/cocycles_figure2_digitised.csv")


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
]


rule cocycles_algebra:
    output:
        table="results/cocycles/algebra.parquet",
    log:
        "logs/cocycles_algebra/algebra.log",
    benchmark:
        "logs/benchmarks/cocycles_algebra/algebra.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        code=fingerprint("workflow_scripts/cocycles/algebra.py"),
        order=config["cocycles"]["algebra"]["order"],
        states=config["cocycles"]["algebra"]["states"],
        largest=config["cocycles"]["algebra"]["largest"],
        cases=config["cocycles"]["algebra"]["cases"],
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/cocycles/schedules.py"),
        nodes=config["cocycles"]["schedules"]["nodes"],
        width=config["cocycles"]["schedules"]["width"],
        draws=config["cocycles"]["schedules"]["draws"],
        steps=config["cocycles"]["schedules"]["steps"],
        graphs=config["cocycles"]["schedules"]["graphs"],
        degrees=config["cocycles"]["schedules"]["degrees"],
        cases=config["cocycles"]["schedules"]["cases"],
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/cocycles/messages.py"),
        sizes=config["cocycles"]["messages"]["sizes"],
        graphs=config["cocycles"]["messages"]["graphs"],
        rule_nodes=config["cocycles"]["messages"]["rule_nodes"],
        rule_runs=config["cocycles"]["messages"]["rule_runs"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/messages.py"


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
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(config["cocycles"]["training"]["runtime_min"]),
        gpu=config["cocycles"]["training"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/cocycles/train.py"),
        width=config["cocycles"]["training"]["width"],
        steps=config["cocycles"]["training"]["steps"],
        batch=config["cocycles"]["training"]["batch"],
        learning_rate=config["cocycles"]["training"]["learning_rate"],
        max_grad_norm=config["cocycles"]["training"]["max_grad_norm"],
        chunk_steps=config["cocycles"]["training"]["chunk_steps"],
        validate_every=config["cocycles"]["training"]["validate_every"],
        inverted_pointers=config["cocycles"]["training"]["inverted_pointers"],
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
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(240),
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
    threads: 1
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/cocycles/claims.py"),
    script:
        "../workflow_scripts/cocycles/claims.py"


rule cocycles_figures:
    input:
        scores="results/cocycles/scores.parquet",
        figure_2=COCYCLES_FIGURE_2,
    output:
        tasks=report(
            "results/cocycles/figures/tasks.png",
            caption="../resources/captions/cocycles/tasks.rst",
            category="cocycles",
        ),
        asynchrony=report(
            "results/cocycles/figures/asynchrony.png",
            caption="../resources/captions/cocycles/asynchrony.rst",
            category="cocycles",
        ),
        trace=report(
            "results/cocycles/figures/trace.png",
            caption="../resources/captions/cocycles/trace.rst",
            category="cocycles",
        ),
        flow=report(
            "results/cocycles/figures/flow.png",
            caption="../resources/captions/cocycles/flow.rst",
            category="cocycles",
        ),
        machines=report(
            "results/cocycles/figures/machines.png",
            caption="../resources/captions/cocycles/machines.rst",
            category="cocycles",
        ),
        residuals=report(
            "results/cocycles/figures/residuals.png",
            caption="../resources/captions/cocycles/residuals.rst",
            category="cocycles",
        ),
        degrees=report(
            "results/cocycles/figures/degrees.png",
            caption="../resources/captions/cocycles/degrees.rst",
            category="cocycles",
        ),
        rules=report(
            "results/cocycles/figures/rules.png",
            caption="../resources/captions/cocycles/rules.rst",
            category="cocycles",
        ),
        convergence=report(
            "results/cocycles/figures/convergence.png",
            caption="../resources/captions/cocycles/convergence.rst",
            category="cocycles",
        ),
        pdf=expand("results/cocycles/figures/{figure}.pdf", figure=COCYCLES_FIGURES),
    log:
        "logs/cocycles_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
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
