"""Study `cocycles`: "Asynchronous Algorithmic Alignment with Cocycles" (2306.15632)."""

COCYCLES_FIGURE_2 = project_file("resources/published/cocycles_figure2_digitised.csv")
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
        mem_mb=2000,
        runtime=120,
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
        mem_mb=1000,
        runtime=60,
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
        mem_mb=1000,
        runtime=60,
    params:
        code=fingerprint("workflow_scripts/cocycles/messages.py"),
        sizes=config["cocycles"]["messages"]["sizes"],
        graphs=config["cocycles"]["messages"]["graphs"],
        rule_nodes=config["cocycles"]["messages"]["rule_nodes"],
        rule_runs=config["cocycles"]["messages"]["rule_runs"],
        seed=config["seed"],
    script:
        "../workflow_scripts/cocycles/messages.py"


rule cocycles_scores:
    input:
        algebra="results/cocycles/algebra.parquet",
        schedules="results/cocycles/schedules.parquet",
        messages="results/cocycles/messages.parquet",
    output:
        table="results/cocycles/scores.parquet",
    log:
        "logs/cocycles_scores/scores.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
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
        mem_mb=1000,
        runtime=10,
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
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("workflow_scripts/cocycles/figures.py"),
    script:
        "../workflow_scripts/cocycles/figures.py"


rule cocycles:
    input:
        scores=rules.cocycles_scores.output.table,
        figures=rules.cocycles_figures.output,
        claims=rules.cocycles_claims.output.claims,
