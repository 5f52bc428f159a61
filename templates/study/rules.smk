"""Study `example_study`: "TITLE OF THE PAPER" (0000.00000)."""

EXAMPLE_STUDY_FIGURES = ["spread"]


rule example_study_simulate:
    output:
        simulated="results/example_study/simulated.parquet",
    log:
        "logs/example_study_simulate/simulate.log",
    benchmark:
        "logs/benchmarks/example_study_simulate/simulate.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/example_study/simulate.py"),
        sizes=config["example_study"]["sizes"],
        draws=config["example_study"]["draws"],
        repeats=config["example_study"]["seeds"],
        seed=config["seed"],
    script:
        "../workflow_scripts/example_study/simulate.py"


rule example_study_scores:
    input:
        simulated=rules.example_study_simulate.output.simulated,
    output:
        scores="results/example_study/scores.parquet",
    log:
        "logs/example_study_scores/scores.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/example_study/scores.py"),
    script:
        "../workflow_scripts/example_study/scores.py"


rule example_study_claims:
    input:
        scores=rules.example_study_scores.output.scores,
    output:
        claims="results/example_study/claims.json",
    log:
        "logs/example_study_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/example_study/claims.py"),
    script:
        "../workflow_scripts/example_study/claims.py"


rule example_study_figures:
    input:
        scores=rules.example_study_scores.output.scores,
    output:
        png=figure_pngs("example_study", EXAMPLE_STUDY_FIGURES),
        pdf=expand("results/example_study/figures/{figure}.pdf", figure=EXAMPLE_STUDY_FIGURES),
    log:
        "logs/example_study_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/example_study/figures.py"),
    script:
        "../workflow_scripts/example_study/figures.py"


rule example_study:
    input:
        scores=rules.example_study_scores.output,
        figures=rules.example_study_figures.output,
        claims=rules.example_study_claims.output,
