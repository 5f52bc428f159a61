"""Embedded language models: corpus, tokenizer, training, evaluation, card."""

from workflow_scripts.models.registry import (
    CHECKPOINT,
    CONVERTED,
    TOKENIZER,
    converted,
    embedded,
    studies_with,
)

# Trained only for a study: a run on other models needs none of them.
EMBEDDED = [name for name in embedded(config["models"]) if studies_with(config, name)]


localrules:
    models,
    models_fetch,


rule models:
    input:
        expand("results/models/{model}/card.md", model=EMBEDDED),


rule models_corpus:
    output:
        train="results/models/corpus/train.parquet",
        held_out="results/models/corpus/held_out.parquet",
        places="results/models/corpus/places.parquet",
    log:
        "logs/models_corpus/corpus.log",
    benchmark:
        "logs/benchmarks/models_corpus/corpus.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        seed=config["seed"],
        settings=config["embedded"]["corpus"],
        code=fingerprint("workflow_scripts/models/corpus.py"),
        words=fingerprint("resources/places.txt", "resources/nouns.txt"),
    script:
        "../workflow_scripts/models/corpus.py"


rule models_tokenizer:
    input:
        corpus="results/models/corpus/train.parquet",
    output:
        tokenizer=multiext("results/models/tokenizer/", *TOKENIZER),
    log:
        "logs/models_tokenizer/tokenizer.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        vocab_size=config["embedded"]["tokenizer"]["vocab_size"],
        code=fingerprint("workflow_scripts/models/tokenizer.py"),
    script:
        "../workflow_scripts/models/tokenizer.py"


rule models_train:
    input:
        train="results/models/corpus/train.parquet",
        held_out="results/models/corpus/held_out.parquet",
        tokenizer=multiext("results/models/tokenizer/", *TOKENIZER),
    output:
        checkpoint=multiext("results/models/{model}/checkpoint/", *CHECKPOINT),
        curve="results/models/{model}/learning_curve.parquet",
    log:
        "logs/models_train/{model}.log",
    benchmark:
        "logs/benchmarks/models_train/{model}.tsv"
    priority: 1  # the longest jobs; half of the workflow waits for them
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(config["embedded"]["train"]["runtime_min"]),
        gpu=config["embedded"]["train"]["gpu"],
    params:
        seed=config["seed"],
        shape=trained_shape,
        settings={
            key: value
            for key, value in config["embedded"]["train"].items()
            if key not in ("runtime_min", "gpu")
        },
        code=fingerprint("workflow_scripts/models/train.py"),
    script:
        "../workflow_scripts/models/train.py"


rule models_evaluate:
    input:
        checkpoint=multiext("results/models/{model}/checkpoint/", *CHECKPOINT),
        held_out="results/models/corpus/held_out.parquet",
    output:
        skills="results/models/{model}/skills.parquet",
    log:
        "logs/models_evaluate/{model}.log",
    benchmark:
        "logs/benchmarks/models_evaluate/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
        gpu=config["embedded"]["train"]["gpu"],
    params:
        seed=config["seed"],
        code=fingerprint("workflow_scripts/models/evaluate.py"),
    script:
        "../workflow_scripts/models/evaluate.py"


rule models_curve:
    input:
        curve="results/models/{model}/learning_curve.parquet",
        skills="results/models/{model}/skills.parquet",
    output:
        png=report(
            "results/models/{model}/figures/learning_curve.png",
            caption="../resources/captions/models/learning_curve.rst",
            category="embedded models",
            labels={"model": "{model}", "shows": "learning curve"},
        ),
        pdf="results/models/{model}/figures/learning_curve.pdf",
    log:
        "logs/models_curve/{model}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint("workflow_scripts/models/curve.py"),
    script:
        "../workflow_scripts/models/curve.py"


rule models_card:
    input:
        checkpoint=multiext("results/models/{model}/checkpoint/", *CHECKPOINT),
        curve="results/models/{model}/learning_curve.parquet",
        skills="results/models/{model}/skills.parquet",
        train="results/models/corpus/train.parquet",
        figure="results/models/{model}/figures/learning_curve.png",
    output:
        card_md="results/models/{model}/card.md",
        card_html=report(
            "results/models/{model}/card.html",
            caption="../resources/captions/models/card.rst",
            category="embedded models",
            labels={"model": "{model}", "shows": "card"},
        ),
    log:
        "logs/models_card/{model}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint("workflow_scripts/models/card.py"),
    script:
        "../workflow_scripts/models/card.py"


rule models_convert:
    input:
        gguf=model_gguf,
    output:
        checkpoint=multiext("results/models/{model}/converted/", *CONVERTED),
    log:
        "logs/models_convert/{model}.log",
    benchmark:
        "logs/benchmarks/models_convert/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        source=lookup("{model}/source", within=converted(config["models"])),
        dtype=lookup("{model}/dtype", within=converted(config["models"]), default="float32"),
        code=fingerprint("workflow_scripts/models/convert.py"),
    script:
        "../workflow_scripts/models/convert.py"


rule models_fetch:
    output:
        fetched="results/models/fetched.json",
    log:
        "logs/models_fetch/fetch.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        code=fingerprint("workflow_scripts/models/fetch.py"),
        models=FROM_HUB,
    script:
        "../workflow_scripts/models/fetch.py"
