"""Study `perplexity`: "Perplexity Cannot Always Tell Right from Wrong" (2601.22950)."""


wildcard_constraints:
    copier="rope|nope|sinusoidal",


PERPLEXITY_FIGURES = [
    "sketch",
    "copying",
    "isoperplexity",
    "parity",
    "correlation",
    "theory",
    "selection",
    "blind_spots",
]
PERPLEXITY_SHAPE = ["width", "layers", "heads"]  # settings of the small decoders
PERPLEXITY_TRAINING = ["steps", "learning_rate", "warmup_steps", "final_rate", "weight_decay"]
PERPLEXITY_PUBLISHED = project_file("resources/published")
PERPLEXITY_COPIERS = config["perplexity"]["copying"]["encodings"]
PERPLEXITY_MODELS = models_of(config, "perplexity")


rule perplexity_theory:
    output:
        table="results/perplexity/theory.parquet",
    log:
        "logs/perplexity_theory/theory.log",
    benchmark:
        "logs/benchmarks/perplexity_theory/theory.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/perplexity/theory.py"),
        settings=config["perplexity"]["theory"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/theory.py"


rule perplexity_copiers:
    output:
        weights="results/perplexity/copiers/{copier}.safetensors",
        curve="results/perplexity/copiers/{copier}.curve.parquet",
    log:
        "logs/perplexity_copiers/{copier}.log",
    benchmark:
        "logs/benchmarks/perplexity_copiers/{copier}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(perplexity_minutes("copying")),
        gpu=config["perplexity"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/perplexity/copiers.py"),
        shape={key: config["perplexity"]["copying"][key] for key in PERPLEXITY_SHAPE},
        settings={
            key: config["perplexity"]["copying"][key]
            for key in [*PERPLEXITY_TRAINING, "checkpoint_every"]
        },
        longest=config["perplexity"]["copying"]["longest"],
        batch=config["perplexity"]["copying"]["batch"],
        seed_count=config["perplexity"]["copying"]["seeds"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/copiers.py"


rule perplexity_copies:
    input:
        weights="results/perplexity/copiers/{copier}.safetensors",
    output:
        table="results/perplexity/copies/{copier}.parquet",
        steps="results/perplexity/copies/{copier}.steps.parquet",
    log:
        "logs/perplexity_copies/{copier}.log",
    benchmark:
        "logs/benchmarks/perplexity_copies/{copier}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2500),
        runtime=growing(60),
        gpu=config["perplexity"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/perplexity/copies.py"),
        sizes=config["perplexity"]["copying"]["sizes"],
        gradient_sizes=config["perplexity"]["copying"]["gradient_sizes"],
        random_sizes=config["perplexity"]["copying"]["random_sizes"],
        strings=config["perplexity"]["copying"]["strings"],
        floor=config["perplexity"]["floor"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/copies.py"


rule perplexity_parity:
    output:
        weights="results/perplexity/parity/checkpoints.safetensors",
        curve="results/perplexity/parity/curve.parquet",
    log:
        "logs/perplexity_parity/parity.log",
    benchmark:
        "logs/benchmarks/perplexity_parity/parity.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        gpu=config["perplexity"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/perplexity/parity.py"),
        shape={key: config["perplexity"]["parity"][key] for key in [*PERPLEXITY_SHAPE, "encoding"]},
        settings={key: config["perplexity"]["parity"][key] for key in PERPLEXITY_TRAINING},
        longest=config["perplexity"]["parity"]["longest"],
        batch=config["perplexity"]["parity"]["batch"],
        seed_count=config["perplexity"]["parity"]["seeds"],
        keep_every=config["perplexity"]["parity"]["keep_every"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/parity.py"


rule perplexity_checkpoints:
    input:
        weights="results/perplexity/parity/checkpoints.safetensors",
    output:
        table="results/perplexity/parity/checkpoints.parquet",
    log:
        "logs/perplexity_checkpoints/checkpoints.log",
    benchmark:
        "logs/benchmarks/perplexity_checkpoints/checkpoints.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
        gpu=config["perplexity"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/perplexity/checkpoints.py"),
        sizes=config["perplexity"]["parity"]["sizes"],
        longest=config["perplexity"]["parity"]["longest"],
        strings=config["perplexity"]["parity"]["strings"],
        seed_count=config["perplexity"]["parity"]["seeds"],
        keep_every=config["perplexity"]["parity"]["keep_every"],
        floor=config["perplexity"]["floor"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/checkpoints.py"


rule perplexity_models:
    input:
        model_files=model_files,
    output:
        table="results/perplexity/models/{model}.parquet",
        steps="results/perplexity/models/{model}.steps.parquet",
    log:
        "logs/perplexity_models/{model}.log",
    benchmark:
        "logs/benchmarks/perplexity_models/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/perplexity/models.py"),
        spec=serving_in("perplexity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        asked=asked_in("perplexity"),
        settings=config["perplexity"]["models"],
        floor=config["perplexity"]["floor"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/models.py"


rule perplexity_blind_spots:
    input:
        model_files=model_files,
    output:
        table="results/perplexity/blind_spots/{model}.parquet",
        edited="results/perplexity/blind_spots/{model}.edits.parquet",
        csv=report(
            "results/perplexity/blind_spots/{model}.csv",
            caption="../resources/captions/perplexity/blind_spots_table.rst",
            category="perplexity",
            labels={"model": "{model}", "shows": "blind spots"},
        ),
    log:
        "logs/perplexity_blind_spots/{model}.log",
    benchmark:
        "logs/benchmarks/perplexity_blind_spots/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/perplexity/blind_spots.py"),
        spec=serving_in("perplexity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        asked=asked_in("perplexity"),
        settings=config["perplexity"]["blind_spots"],
        floor=config["perplexity"]["floor"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/blind_spots.py"


rule perplexity_selection:
    input:
        copies=expand("results/perplexity/copies/{copier}.parquet", copier=PERPLEXITY_COPIERS),
        checkpoints="results/perplexity/parity/checkpoints.parquet",
        models=expand("results/perplexity/models/{model}.steps.parquet", model=PERPLEXITY_MODELS),
    output:
        table="results/perplexity/selection.parquet",
        csv=report(
            "results/perplexity/selection.csv",
            caption="../resources/captions/perplexity/selection_table.rst",
            category="perplexity",
        ),
    log:
        "logs/perplexity_selection/selection.log",
    benchmark:
        "logs/benchmarks/perplexity_selection/selection.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/perplexity/selection.py"),
        pool=config["perplexity"]["selection"]["pool"],
        pools=config["perplexity"]["selection"]["pools"],
        parity_longest=config["perplexity"]["parity"]["longest"],
        copying_longest=config["perplexity"]["copying"]["longest"],
        trained_sizes=config["perplexity"]["models"]["random_sizes"]["trained"],
        floor=config["perplexity"]["floor"],
        seed=config["seed"],
    script:
        "../workflow_scripts/perplexity/selection.py"


rule perplexity_scores:
    input:
        theory="results/perplexity/theory.parquet",
        copies=expand("results/perplexity/copies/{copier}.parquet", copier=PERPLEXITY_COPIERS),
        checkpoints="results/perplexity/parity/checkpoints.parquet",
        models=expand("results/perplexity/models/{model}.parquet", model=PERPLEXITY_MODELS),
        blind_spots=expand(
            "results/perplexity/blind_spots/{model}.parquet", model=PERPLEXITY_MODELS
        ),
        selection="results/perplexity/selection.parquet",
    output:
        table="results/perplexity/scores.parquet",
    log:
        "logs/perplexity_scores/scores.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/perplexity/scores.py"),
        copying_longest=config["perplexity"]["copying"]["longest"],
        copying_steps=config["perplexity"]["copying"]["steps"],
        model_longest=max(config["perplexity"]["models"]["random_sizes"]["trained"]),
        floor=config["perplexity"]["floor"],
    script:
        "../workflow_scripts/perplexity/scores.py"


rule perplexity_claims:
    input:
        scores="results/perplexity/scores.parquet",
        published=f"{PERPLEXITY_PUBLISHED}/perplexity_parity_correlation.csv",
    output:
        claims="results/perplexity/claims.json",
    log:
        "logs/perplexity_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/perplexity/claims.py"),
        models=study_models("perplexity"),
        copying_longest=config["perplexity"]["copying"]["longest"],
        parity={
            key: config["perplexity"]["parity"][key]
            for key in ["longest", "steps", "keep_every", "sizes"]
        },
    script:
        "../workflow_scripts/perplexity/claims.py"


rule perplexity_figures:
    input:
        scores="results/perplexity/scores.parquet",
        steps="results/perplexity/copies/rope.steps.parquet",
        published=f"{PERPLEXITY_PUBLISHED}/perplexity_parity_correlation.csv",
    output:
        png=figure_pngs("perplexity", PERPLEXITY_FIGURES),
        pdf=expand("results/perplexity/figures/{figure}.pdf", figure=PERPLEXITY_FIGURES),
    log:
        "logs/perplexity_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/perplexity/figures.py"),
        longest={task: config["perplexity"][task]["longest"] for task in ["copying", "parity"]},
        models=figure_models("perplexity"),
    script:
        "../workflow_scripts/perplexity/figures.py"


rule perplexity:
    input:
        scores=rules.perplexity_scores.output.table,
        table=rules.perplexity_selection.output.csv,
        blind_spots=expand(rules.perplexity_blind_spots.output.csv, model=PERPLEXITY_MODELS),
        figures=rules.perplexity_figures.output,
        claims=rules.perplexity_claims.output.claims,
