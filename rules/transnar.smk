"""Study `transnar`: "Transformers meet Neural Algorithmic Reasoners" (2406.09308)."""

from workflow_scripts.transnar.arm_names import PRETRAINED, named
from workflow_scripts.transnar.size import pretrained_train


wildcard_constraints:
    arm="[a-z_]+",


TRANSNAR_ARMS = config["transnar"]["arms"]
TRANSNAR_PUBLISHED = "resources/published"
TRANSNAR_FIGURES = [
    "scores",
    "clrs_scores",
    "shape_scores",
    "parse_scores",
    "clrs_text",
    "families",
    "ablations",
    "reasoners",
    "curves",
    "architecture",
]
TRANSNAR_MODELS = models_of(config, "transnar")
TRANSNAR_DATA = expand(
    "results/clrs/data/{algorithm}.npz", algorithm=config["transnar"]["algorithms"]
)
TRANSNAR_REASONERS = expand(
    "results/clrs/reasoners/{reasoner}/{index}.safetensors",
    reasoner=config["transnar"]["reasoner"],
    index=range(config["clrs"]["train"]["seeds"]),
)
TRANSNAR_DECODERS = expand(
    "results/transnar/decoders/{{arm}}/{index}.safetensors",
    index=range(config["transnar"]["train"]["seeds"]),
)
TRANSNAR_PRETRAINED = config["transnar"]["pretrained"]
TRANSNAR_START = {
    key: TRANSNAR_PRETRAINED[key] for key in ("trained", "every", "positions", "position_range")
}
TRANSNAR_TUNING = pretrained_train(config)
TRANSNAR_TUNED = expand(
    "results/transnar/pretrained/{{model}}/{{arm}}/{index}.safetensors",
    index=range(TRANSNAR_TUNING["seeds"]),
)
TRANSNAR_TUNED_FOLDERS = expand(
    "results/transnar/pretrained/{model}/{arm}",
    model=TRANSNAR_PRETRAINED["models"],
    arm=PRETRAINED,
)
# What the claims compare with the papers' protocols.
TRANSNAR_SETTINGS = {
    **{key: config["transnar"][key] for key in ("algorithms", "data", "sizes", "reasoner")},
    "decoder": {
        key: config["transnar"]["decoder"][key]
        for key in ("width", "layers", "position_range", "labels")
    },
    "train": {
        key: config["transnar"]["train"][key]
        for key in ("steps", "seeds", "batch", "learning_rate")
    },
    "pretrained": {
        **TRANSNAR_START,
        "train": {
            key: TRANSNAR_TUNING[key] for key in ("steps", "seeds", "batch", "learning_rate")
        },
    },
    "reasoners": config["clrs"]["reasoners"],
    "reasoner_data": config["clrs"]["data"],
    "reasoner_train": {
        key: config["clrs"]["train"][key]
        for key in (
            *("processor", "width", "batch", "learning_rate", "max_grad_norm"),
            *("chunk_steps", "validate_every", "seeds"),
        )
    },
}


TRANSNAR_GPU = config["transnar"]["train"]["gpu"]
TRANSNAR_MB = 3000 + text_mb(config["transnar"]["algorithms"])
TRANSNAR_TEST_MB = 3000
if not TRANSNAR_GPU:  # a GPU has the activations in its own memory
    TRANSNAR_MB += pass_mb(config["transnar"]["decoder"], config["transnar"]["train"])
    TRANSNAR_TEST_MB += answers_mb(config["transnar"]["decoder"], config["transnar"]["test_batch"])


rule transnar_train:
    input:
        data=TRANSNAR_DATA,
        reasoners=TRANSNAR_REASONERS,
        polynomial=project_file(f"{TRANSNAR_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv"),
    output:
        models=TRANSNAR_DECODERS,
        curve="results/transnar/decoders/{arm}/curve.parquet",
    log:
        "logs/transnar_train/{arm}.log",
    benchmark:
        "logs/benchmarks/transnar_train/{arm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(TRANSNAR_MB),
        runtime=growing(config["transnar"]["train"]["runtime_min"]),
        gpu=TRANSNAR_GPU,
    params:
        code=fingerprint("workflow_scripts/transnar/train.py"),
        algorithms=config["transnar"]["algorithms"],
        decoder=config["transnar"]["decoder"],
        training={
            key: value
            for key, value in config["transnar"]["train"].items()
            if key not in ("runtime_min", "gpu", "seeds")
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/transnar/train.py"


rule transnar_evaluate:
    input:
        models=TRANSNAR_DECODERS,
        data=TRANSNAR_DATA,
        reasoners=TRANSNAR_REASONERS,
        polynomial=project_file(f"{TRANSNAR_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv"),
    output:
        table="results/transnar/answers/{arm}.parquet",
    log:
        "logs/transnar_evaluate/{arm}.log",
    benchmark:
        "logs/benchmarks/transnar_evaluate/{arm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(TRANSNAR_TEST_MB),
        runtime=growing(config["transnar"]["train"]["runtime_min"]),
        gpu=TRANSNAR_GPU,
    params:
        code=fingerprint("workflow_scripts/transnar/evaluate.py"),
        algorithms=config["transnar"]["algorithms"],
        batch=config["transnar"]["test_batch"],
        seed=config["seed"],
    script:
        "../workflow_scripts/transnar/evaluate.py"


rule transnar_pretrained_train:
    input:
        model_files=model_files,
        data=TRANSNAR_DATA,
        reasoners=TRANSNAR_REASONERS,
    output:
        decoders=TRANSNAR_TUNED,
        curve="results/transnar/pretrained/{model}/{arm}/curve.parquet",
    log:
        "logs/transnar_pretrained_train/{model}/{arm}.log",
    benchmark:
        "logs/benchmarks/transnar_pretrained_train/{model}/{arm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(pretrained_mb),
        runtime=growing(TRANSNAR_TUNING["runtime_min"]),
        gpu=TRANSNAR_TUNING["gpu"],
    params:
        code=fingerprint("workflow_scripts/transnar/pretrained_train.py"),
        algorithms=config["transnar"]["algorithms"],
        spec=serving_in("transnar"),
        checkpoint=model_checkpoint,
        start=TRANSNAR_START,
        training={
            key: value
            for key, value in TRANSNAR_TUNING.items()
            if key not in ("runtime_min", "gpu", "seeds")
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/transnar/pretrained_train.py"


rule transnar_pretrained_evaluate:
    input:
        model_files=model_files,
        decoders=TRANSNAR_TUNED,
        data=TRANSNAR_DATA,
        reasoners=TRANSNAR_REASONERS,
    output:
        table="results/transnar/pretrained/{model}/{arm}/answers.parquet",
    log:
        "logs/transnar_pretrained_evaluate/{model}/{arm}.log",
    benchmark:
        "logs/benchmarks/transnar_pretrained_evaluate/{model}/{arm}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(pretrained_test_mb),
        runtime=growing(TRANSNAR_TUNING["runtime_min"]),
        gpu=TRANSNAR_TUNING["gpu"],
    params:
        code=fingerprint("workflow_scripts/transnar/pretrained_evaluate.py"),
        algorithms=config["transnar"]["algorithms"],
        spec=serving_in("transnar"),
        checkpoint=model_checkpoint,
        start=TRANSNAR_START,
        batch=config["transnar"]["test_batch"],
        seed=config["seed"],
    script:
        "../workflow_scripts/transnar/pretrained_evaluate.py"


rule transnar_requests:
    input:
        data=TRANSNAR_DATA,
    output:
        requests="results/transnar/requests/{model}.parquet",
    log:
        "logs/transnar_requests/{model}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000 + text_mb(config["transnar"]["algorithms"])),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/transnar/requests.py"),
        algorithms=config["transnar"]["algorithms"],
        asked=asked_in("transnar"),
        settings=config["transnar"]["models"],
        seed=config["seed"],
    script:
        "../workflow_scripts/transnar/requests.py"


rule transnar_scores:
    input:
        answers=[
            *expand("results/transnar/answers/{arm}.parquet", arm=TRANSNAR_ARMS),
            *expand("{arm}/answers.parquet", arm=TRANSNAR_TUNED_FOLDERS),
        ],
        reasoners=expand("results/clrs/tests/{reasoner}.parquet", reasoner=TRAINED_REASONERS),
        requests=expand("results/transnar/requests/{model}.parquet", model=TRANSNAR_MODELS),
        responses=expand("results/transnar/responses/{model}.parquet", model=TRANSNAR_MODELS),
        single_task=project_file(f"{TRANSNAR_PUBLISHED}/transnar_ibarz2022_table2.csv"),
        multi_task=project_file(f"{TRANSNAR_PUBLISHED}/transnar_ibarz2022_figure3.csv"),
    output:
        table="results/transnar/scores.parquet",
    log:
        "logs/transnar_scores/scores.log",
    benchmark:
        "logs/benchmarks/transnar_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/transnar/scores.py"),
        steps={name: config["clrs"]["reasoners"][name]["steps"] for name in TRAINED_REASONERS},
        sizes=config["transnar"]["sizes"],
        models=TRANSNAR_MODELS,
    script:
        "../workflow_scripts/transnar/scores.py"


rule transnar_claims:
    input:
        scores="results/transnar/scores.parquet",
        single_task=project_file(f"{TRANSNAR_PUBLISHED}/transnar_ibarz2022_table2.csv"),
        multi_task=project_file(f"{TRANSNAR_PUBLISHED}/transnar_ibarz2022_figure3.csv"),
    output:
        claims="results/transnar/claims.json",
    log:
        "logs/transnar_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/transnar/claims.py"),
        settings=TRANSNAR_SETTINGS,
        models={name: config["models"][name] for name in TRANSNAR_PRETRAINED["models"]},
    script:
        "../workflow_scripts/transnar/claims.py"


rule transnar_figures:
    input:
        scores="results/transnar/scores.parquet",
        curves=[
            *expand("results/transnar/decoders/{arm}/curve.parquet", arm=TRANSNAR_ARMS),
            *expand("{arm}/curve.parquet", arm=TRANSNAR_TUNED_FOLDERS),
        ],
        clrs_text=project_file(f"{TRANSNAR_PUBLISHED}/transnar_clrs_text.csv"),
    output:
        png=figure_pngs("transnar", TRANSNAR_FIGURES),
        pdf=expand("results/transnar/figures/{figure}.pdf", figure=TRANSNAR_FIGURES),
    log:
        "logs/transnar_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/transnar/figures.py"),
        arms=[
            *TRANSNAR_ARMS,
            *[named(arm, name) for name in TRANSNAR_PRETRAINED["models"] for arm in PRETRAINED],
        ],
        sizes=config["transnar"]["sizes"],
        models=figure_models("transnar"),
    script:
        "../workflow_scripts/transnar/figures.py"


rule transnar:
    input:
        scores=rules.transnar_scores.output.table,
        figures=rules.transnar_figures.output,
        claims=rules.transnar_claims.output.claims,
