"""Study `parallel_sequential`: parallel against sequential sampling in reasoning models (2604.05868)."""

PARALLEL_SEQUENTIAL_MODELS = models_of(config, "parallel_sequential")
PARALLEL_SEQUENTIAL_FIGURES = [
    "accuracy",
    "aggregators",
    "cost",
    "padding",
    "similarity",
    "unique",
    "transitions",
    "instructions",
    "induction",
    "feedback",
    "controls",
]
PARALLEL_SEQUENTIAL_ARMS = {
    key: config["parallel_sequential"][key]
    for key in (
        "attempts",
        "chains",
        "decoding",
        "tries",
        "padding",
        "weak_reliability",
        "reply_logprobs",
        "math",
        "code",
    )
}
PARALLEL_SEQUENTIAL_FILES = [
    config["parallel_sequential"][domain]["file"]
    for domain in ("math", "code")
    if config["parallel_sequential"][domain]["file"]
]
# Attempts of the model whose answers each model is shown: the next one of the study.
PARALLEL_SEQUENTIAL_DONORS = {
    name: ([f"results/parallel_sequential/attempts/{donor}.parquet"] if donor != name else [])
    for name, donor in zip(
        PARALLEL_SEQUENTIAL_MODELS,
        [*PARALLEL_SEQUENTIAL_MODELS[1:], PARALLEL_SEQUENTIAL_MODELS[0]],
        strict=True,
    )
}


rule parallel_sequential_questions:
    input:
        files=PARALLEL_SEQUENTIAL_FILES,
    output:
        questions="results/parallel_sequential/questions.parquet",
    log:
        "logs/parallel_sequential_questions/questions.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/questions.py"),
        settings={
            "math": {
                key: config["parallel_sequential"]["math"][key]
                for key in ("questions", "steps", "file")
            },
            "code": {
                key: config["parallel_sequential"]["code"][key]
                for key in ("questions", "steps", "file", "since")
            },
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/questions.py"


rule parallel_sequential_attempts:
    input:
        model=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
    output:
        attempts="results/parallel_sequential/attempts/{model}.parquet",
        choices="results/parallel_sequential/choices/{model}.parquet",
    log:
        "logs/parallel_sequential_attempts/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_attempts/{model}.tsv"
    conda:
        model_environment
    threads: 1
    resources:
        mem_mb=growing(config["inference"]["mem_mb"]),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=config["inference"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/attempts.py"),
        spec=model_serving,
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        settings=PARALLEL_SEQUENTIAL_ARMS,
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/attempts.py"


rule parallel_sequential_foreign:
    input:
        model=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
        attempts="results/parallel_sequential/attempts/{model}.parquet",
        donor=lookup(dpath="{model}", within=PARALLEL_SEQUENTIAL_DONORS),
    output:
        attempts="results/parallel_sequential/foreign/{model}.parquet",
    log:
        "logs/parallel_sequential_foreign/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_foreign/{model}.tsv"
    conda:
        model_environment
    threads: 1
    resources:
        mem_mb=growing(config["inference"]["mem_mb"]),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=config["inference"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/foreign.py"),
        spec=model_serving,
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        settings=PARALLEL_SEQUENTIAL_ARMS,
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/foreign.py"


rule parallel_sequential_copying:
    input:
        model=model_files,
        questions=rules.parallel_sequential_questions.output.questions,
    output:
        table="results/parallel_sequential/copying/{model}.parquet",
    log:
        "logs/parallel_sequential_copying/{model}.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_copying/{model}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(config["inference"]["mem_mb"]),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=config["inference"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/copying.py"),
        spec=model_serving,
        checkpoint=model_checkpoint,
        settings={
            k: v for k, v in config["parallel_sequential"]["copying"].items() if k != "models"
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/parallel_sequential/copying.py"


rule parallel_sequential_similarity:
    input:
        attempts=expand(
            "results/parallel_sequential/attempts/{model}.parquet",
            model=PARALLEL_SEQUENTIAL_MODELS,
        ),
    output:
        table="results/parallel_sequential/similarity.parquet",
    log:
        "logs/parallel_sequential_similarity/similarity.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_similarity/similarity.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
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
        attempts=rules.parallel_sequential_similarity.input.attempts,
        choices=expand(
            "results/parallel_sequential/choices/{model}.parquet",
            model=PARALLEL_SEQUENTIAL_MODELS,
        ),
        foreign=expand(
            "results/parallel_sequential/foreign/{model}.parquet",
            model=PARALLEL_SEQUENTIAL_MODELS,
        ),
        copying=expand(
            "results/parallel_sequential/copying/{model}.parquet",
            model=config["parallel_sequential"]["copying"]["models"],
        ),
        similarity=rules.parallel_sequential_similarity.output.table,
    output:
        scores="results/parallel_sequential/scores.parquet",
    log:
        "logs/parallel_sequential_scores/scores.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/scores.py"),
        attempts=config["parallel_sequential"]["attempts"],
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/claims.py"),
        models={name: config["models"][name] for name in PARALLEL_SEQUENTIAL_MODELS},
        attempts=config["parallel_sequential"]["attempts"],
    script:
        "../workflow_scripts/parallel_sequential/claims.py"


rule parallel_sequential_figures:
    input:
        scores=rules.parallel_sequential_scores.output.scores,
    output:
        accuracy=report(
            "results/parallel_sequential/figures/accuracy.png",
            caption="../resources/captions/parallel_sequential/accuracy.rst",
            category="parallel_sequential",
        ),
        aggregators=report(
            "results/parallel_sequential/figures/aggregators.png",
            caption="../resources/captions/parallel_sequential/aggregators.rst",
            category="parallel_sequential",
        ),
        cost=report(
            "results/parallel_sequential/figures/cost.png",
            caption="../resources/captions/parallel_sequential/cost.rst",
            category="parallel_sequential",
        ),
        padding=report(
            "results/parallel_sequential/figures/padding.png",
            caption="../resources/captions/parallel_sequential/padding.rst",
            category="parallel_sequential",
        ),
        similarity=report(
            "results/parallel_sequential/figures/similarity.png",
            caption="../resources/captions/parallel_sequential/similarity.rst",
            category="parallel_sequential",
        ),
        unique=report(
            "results/parallel_sequential/figures/unique.png",
            caption="../resources/captions/parallel_sequential/unique.rst",
            category="parallel_sequential",
        ),
        transitions=report(
            "results/parallel_sequential/figures/transitions.png",
            caption="../resources/captions/parallel_sequential/transitions.rst",
            category="parallel_sequential",
        ),
        instructions=report(
            "results/parallel_sequential/figures/instructions.png",
            caption="../resources/captions/parallel_sequential/instructions.rst",
            category="parallel_sequential",
        ),
        induction=report(
            "results/parallel_sequential/figures/induction.png",
            caption="../resources/captions/parallel_sequential/induction.rst",
            category="parallel_sequential",
        ),
        feedback=report(
            "results/parallel_sequential/figures/feedback.png",
            caption="../resources/captions/parallel_sequential/feedback.rst",
            category="parallel_sequential",
        ),
        controls=report(
            "results/parallel_sequential/figures/controls.png",
            caption="../resources/captions/parallel_sequential/controls.rst",
            category="parallel_sequential",
        ),
        pdf=expand(
            "results/parallel_sequential/figures/{figure}.pdf", figure=PARALLEL_SEQUENTIAL_FIGURES
        ),
    log:
        "logs/parallel_sequential_figures/figures.log",
    benchmark:
        "logs/benchmarks/parallel_sequential_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/parallel_sequential/figures.py"),
        models=PARALLEL_SEQUENTIAL_MODELS,
        stand_ins=[
            name
            for name in PARALLEL_SEQUENTIAL_MODELS
            if config["models"][name]["source"] == "train"
        ],
        attempts=config["parallel_sequential"]["attempts"],
    script:
        "../workflow_scripts/parallel_sequential/figures.py"


rule parallel_sequential:
    input:
        scores=rules.parallel_sequential_scores.output.scores,
        figures=rules.parallel_sequential_figures.output,
        claims=rules.parallel_sequential_claims.output.claims,
