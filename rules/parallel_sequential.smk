"""Study `parallel_sequential`: parallel and sequential sampling in reasoning models (2604.05868)."""

PARALLEL_SEQUENTIAL_MODELS = models_of(config, "parallel_sequential")
PARALLEL_SEQUENTIAL_COPIERS = shown_inside(config["models"], PARALLEL_SEQUENTIAL_MODELS)
PARALLEL_SEQUENTIAL_FIGURES = [
    "accuracy",
    "aggregators",
    "cost",
    "padding",
    "similarity",
    "unique",
    "transitions",
    "attribution",
    "instructions",
    "induction",
    "feedback",
    "controls",
]
# Two arms in rounds until it is decided which is better; then no other arm is asked.
PARALLEL_SEQUENTIAL_STOPPING = config["parallel_sequential"]["stopping"]
PARALLEL_SEQUENTIAL_STOPPED = PARALLEL_SEQUENTIAL_MODELS if PARALLEL_SEQUENTIAL_STOPPING else []
PARALLEL_SEQUENTIAL_WHOLE = [] if PARALLEL_SEQUENTIAL_STOPPING else PARALLEL_SEQUENTIAL_MODELS
PARALLEL_SEQUENTIAL_FIGURES += ["stopping"] if PARALLEL_SEQUENTIAL_STOPPING else []
# The settings that the attempts depend on: the section without those that only other rules read.
PARALLEL_SEQUENTIAL_ARMS = {
    key: value
    for key, value in config["parallel_sequential"].items()
    if key not in ("copying", "embedder", "stopping")
}
PARALLEL_SEQUENTIAL_FILES = [
    config["parallel_sequential"][domain]["file"]
    for domain in ("math", "code")
    if config["parallel_sequential"][domain]["file"]
]
PARALLEL_SEQUENTIAL_ATTEMPTS = expand(
    "results/parallel_sequential/attempts/{model}.parquet", model=PARALLEL_SEQUENTIAL_MODELS
)
# P9 shows each model the answers of the study's next model; the last one, those of the first.
PARALLEL_SEQUENTIAL_DONORS = dict(
    zip(
        PARALLEL_SEQUENTIAL_MODELS,
        [*PARALLEL_SEQUENTIAL_ATTEMPTS[1:], *PARALLEL_SEQUENTIAL_ATTEMPTS[:1]],
    )
)


rule parallel_sequential_questions:
    input:
        files=PARALLEL_SEQUENTIAL_FILES,
    output:
        questions="results/parallel_sequential/questions.parquet",
    log:
        "logs/parallel_sequential_questions/questions.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/questions.py"),
        settings={
            domain: {
                key: value
                for key, value in config["parallel_sequential"][domain].items()
                if key in ("questions", "steps", "file", "since")
            }
            for domain in ("math", "code")
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/questions.py"


rule parallel_sequential_attempts:
    input:
        model_files=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
    output:
        ungraded="results/parallel_sequential/ungraded/attempts/{model}.parquet",
        choices="results/parallel_sequential/choices/{model}.parquet",
    log:
        "logs/parallel_sequential_attempts/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_attempts/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/attempts.py"),
        spec=serving_in("parallel_sequential"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        asked=asked_in("parallel_sequential"),
        settings=PARALLEL_SEQUENTIAL_ARMS,
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/attempts.py"


rule parallel_sequential_stopping:
    input:
        model_files=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
    output:
        rounds_table="results/parallel_sequential/rounds/{model}.parquet",
        stopped="results/parallel_sequential/stopped/{model}.parquet",
    log:
        "logs/parallel_sequential_stopping/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_stopping/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/stopping.py"),
        spec=serving_in("parallel_sequential"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        asked=asked_in("parallel_sequential"),
        settings=PARALLEL_SEQUENTIAL_ARMS,
        stopping=PARALLEL_SEQUENTIAL_STOPPING,
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/stopping.py"


rule parallel_sequential_foreign:
    input:
        model_files=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
        attempts="results/parallel_sequential/attempts/{model}.parquet",
        donor=lookup(dpath="{model}", within=PARALLEL_SEQUENTIAL_DONORS),
    output:
        ungraded="results/parallel_sequential/ungraded/foreign/{model}.parquet",
    log:
        "logs/parallel_sequential_foreign/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_foreign/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/foreign.py"),
        spec=serving_in("parallel_sequential"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        asked=asked_in("parallel_sequential"),
        settings=PARALLEL_SEQUENTIAL_ARMS,
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/foreign.py"


rule parallel_sequential_grades:
    input:
        questions=rules.parallel_sequential_questions.output.questions,
        ungraded="results/parallel_sequential/ungraded/{table}/{model}.parquet",
    output:
        graded_table="results/parallel_sequential/{table}/{model}.parquet",
    log:
        "logs/parallel_sequential_grades/{table}-{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_grades/{table}-{model}.tsv"
    wildcard_constraints:
        table="attempts|foreign",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000 + config["parallel_sequential"]["code"]["limits"]["memory_mb"]),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/grades.py"),
        asked=asked_in("parallel_sequential"),
        settings={key: config["parallel_sequential"]["code"][key] for key in ("limits", "numpy")},
    script:
        "../workflow_scripts/parallel_sequential/grades.py"


rule parallel_sequential_copying:
    input:
        model_files=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
    output:
        table="results/parallel_sequential/copying/{model}.parquet",
    log:
        "logs/parallel_sequential_copying/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_copying/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/copying.py"),
        spec=serving_in("parallel_sequential"),
        checkpoint=model_checkpoint,
        asked=asked_in("parallel_sequential"),
        settings=config["parallel_sequential"]["copying"],
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/copying.py"


rule parallel_sequential_similarity:
    input:
        attempts=PARALLEL_SEQUENTIAL_ATTEMPTS,
    output:
        table="results/parallel_sequential/similarity.parquet",
    log:
        "logs/parallel_sequential_similarity/similarity.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_similarity/similarity.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(config["inference"]["mem_mb"]),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=config["inference"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/similarity.py"),
        embedder=config["parallel_sequential"]["embedder"],
    script:
        "../workflow_scripts/parallel_sequential/similarity.py"


rule parallel_sequential_scores:
    input:
        attempts=expand(
            "results/parallel_sequential/attempts/{model}.parquet", model=PARALLEL_SEQUENTIAL_WHOLE
        ),
        choices=expand(
            rules.parallel_sequential_attempts.output.choices, model=PARALLEL_SEQUENTIAL_WHOLE
        ),
        foreign=expand(
            "results/parallel_sequential/foreign/{model}.parquet", model=PARALLEL_SEQUENTIAL_WHOLE
        ),
        stopped=expand(
            rules.parallel_sequential_stopping.output.stopped, model=PARALLEL_SEQUENTIAL_STOPPED
        ),
        rounds=expand(
            rules.parallel_sequential_stopping.output.rounds_table,
            model=PARALLEL_SEQUENTIAL_STOPPED,
        ),
        copying=expand(
            rules.parallel_sequential_copying.output.table,
            model=PARALLEL_SEQUENTIAL_COPIERS,
        ),
        similarity=(
            []
            if PARALLEL_SEQUENTIAL_STOPPING
            else [rules.parallel_sequential_similarity.output.table]
        ),
    output:
        scores="results/parallel_sequential/scores.parquet",
    log:
        "logs/parallel_sequential_scores/scores.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/scores.py"),
        set_size=config["parallel_sequential"]["attempts"],
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/scores.py"


rule parallel_sequential_claims:
    input:
        scores=rules.parallel_sequential_scores.output.scores,
    output:
        claims="results/parallel_sequential/claims.json",
    log:
        "logs/parallel_sequential_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/claims.py"),
        models=study_models("parallel_sequential"),
        set_size=config["parallel_sequential"]["attempts"],
        chains=config["parallel_sequential"]["chains"],
        lengths=config["parallel_sequential"]["padding"],
        questions={
            domain: config["parallel_sequential"][domain]["questions"]
            for domain in ("math", "code")
        },
        files={
            domain: config["parallel_sequential"][domain]["file"] is not None
            for domain in ("math", "code")
        },
        stopping=PARALLEL_SEQUENTIAL_STOPPING,
    script:
        "../workflow_scripts/parallel_sequential/claims.py"


rule parallel_sequential_figures:
    input:
        scores=rules.parallel_sequential_scores.output.scores,
    output:
        png=figure_pngs("parallel_sequential", PARALLEL_SEQUENTIAL_FIGURES),
        pdf=expand(
            "results/parallel_sequential/figures/{figure}.pdf", figure=PARALLEL_SEQUENTIAL_FIGURES
        ),
    log:
        "logs/parallel_sequential_figures/figures.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/figures.py"),
        models=figure_models("parallel_sequential"),
        set_size=config["parallel_sequential"]["attempts"],
    script:
        "../workflow_scripts/parallel_sequential/figures.py"


rule parallel_sequential:
    input:
        scores=rules.parallel_sequential_scores.output.scores,
        figures=rules.parallel_sequential_figures.output,
        claims=rules.parallel_sequential_claims.output.claims,
