"""Study `glasses`: "Transformers need glasses!" (2406.04267)."""

GLASSES_MODELS = models_of(config, "glasses")
GLASSES_TRAINED = [name for name in GLASSES_MODELS if kinds.kind(config, name) == kinds.EMBEDDED]
# What the claims compare with the paper's questions.
GLASSES_ASKED = {
    **{
        name: config["glasses"]["tasks"][name]
        for name in ("copy_lengths", "order_lengths", "count_lengths")
    },
    "gap_lengths": config["glasses"]["gaps"]["lengths"],
}
GLASSES_PUBLISHED = {
    name: project_file(f"resources/published/glasses_{file}.csv")
    for name, file in (
        ("thresholds", "thresholds"),
        ("copies", "copy_outcomes"),
        ("errors", "counting_error_digitised"),
        ("gaps", "gap_digitised"),
    )
}
GLASSES_FIGURES = [
    "schematic",
    "copying",
    "counting",
    "signed",
    "histograms",
    "gaps",
    "layers",
    "encodings",
    "variation",
    "precision",
    "equal",
    "sensitivity",
    "cures",
    "budget",
]


rule glasses_theory:
    output:
        table="results/glasses/theory.parquet",
    log:
        "logs/glasses_theory/theory.log",
    benchmark:
        "logs/benchmarks/glasses_theory/theory.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        code=fingerprint("workflow_scripts/glasses/theory.py"),
        settings=config["glasses"]["theory"],
        seed=config["seed"],
    script:
        "../workflow_scripts/glasses/theory.py"


rule glasses_collapse:
    output:
        table="results/glasses/collapse.parquet",
    log:
        "logs/glasses_collapse/collapse.log",
    benchmark:
        "logs/benchmarks/glasses_collapse/collapse.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2500),
        runtime=growing(120),
    params:
        code=fingerprint("workflow_scripts/glasses/collapse.py"),
        settings={
            key: value for key, value in config["glasses"]["stack"].items() if key != "precisions"
        },
        precisions=config["glasses"]["stack"]["precisions"],
        seed=config["seed"],
    script:
        "../workflow_scripts/glasses/collapse.py"


rule glasses_requests:
    input:
        model_files=model_files,
    output:
        requests="results/glasses/requests/{model}.parquet",
    log:
        "logs/glasses_requests/{model}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/glasses/requests.py", "resources/nouns.txt"),
        settings=config["glasses"]["tasks"],
        spec=serving_in("glasses"),
        checkpoint=model_checkpoint,
        asked=asked_in("glasses"),
        seed=config["seed"],
    script:
        "../workflow_scripts/glasses/requests.py"


rule glasses_models:
    input:
        model_files=model_files,
        requests=rules.glasses_requests.output.requests,  # exists only if every prompt fits
    output:
        table="results/glasses/models/{model}.parquet",
    log:
        "logs/glasses_models/{model}.log",
    benchmark:
        "logs/benchmarks/glasses_models/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        # Two copies in float64: the reference, and the Jacobians of a narrow model.
        mem_mb=growing(asked_mb(config, copies=2)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/glasses/models.py"),
        spec=serving_in("glasses"),
        checkpoint=model_checkpoint,
        asked=asked_in("glasses"),
        gap_settings=config["glasses"]["gaps"],
        sensitivity_settings=config["glasses"]["model_sensitivity"],
        seed=config["seed"],
    script:
        "../workflow_scripts/glasses/models.py"


rule glasses_budget:
    input:
        model_files=model_files,
    output:
        table="results/glasses/budget/{model}.parquet",
    log:
        "logs/glasses_budget/{model}.log",
    benchmark:
        "logs/benchmarks/glasses_budget/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        # A copy in float32 with gradients, and one in the format.
        mem_mb=growing(asked_mb(config, copies=2)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/glasses/budget.py"),
        spec=serving_in("glasses"),
        checkpoint=model_checkpoint,
        asked=asked_in("glasses"),
        # In one order: archives state the config with its keys sorted.
        settings=config["glasses"]["budget"]
        | {
            "formats": [
                dict(sorted(each.items())) for each in config["glasses"]["budget"]["formats"]
            ]
        },
    script:
        "../workflow_scripts/glasses/budget.py"


rule glasses_scores:
    input:
        theory=rules.glasses_theory.output.table,
        collapse=rules.glasses_collapse.output.table,
        models_inside=expand("results/glasses/models/{model}.parquet", model=GLASSES_MODELS),
        budgets=expand("results/glasses/budget/{model}.parquet", model=GLASSES_MODELS),
        requests=expand(rules.glasses_requests.output.requests, model=GLASSES_MODELS),
        responses=expand("results/glasses/responses/{model}.parquet", model=GLASSES_MODELS),
    output:
        table="results/glasses/scores.parquet",
    log:
        "logs/glasses_scores/scores.log",
    benchmark:
        "logs/benchmarks/glasses_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        code=fingerprint("workflow_scripts/glasses/scores.py"),
        models=GLASSES_MODELS,
        trained=dict.fromkeys(GLASSES_TRAINED, config["embedded"]["corpus"]["longest"]),
        thinking={name: kinds.asked(config, "glasses", name)["thinks"] for name in GLASSES_MODELS},
        seed=config["seed"],
    script:
        "../workflow_scripts/glasses/scores.py"


rule glasses_claims:
    input:
        **GLASSES_PUBLISHED,
        scores=rules.glasses_scores.output.table,
    output:
        claims="results/glasses/claims.json",
    log:
        "logs/glasses_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/glasses/claims.py"),
        models=study_models("glasses"),
        stack={name: config["glasses"]["stack"][name] for name in ("width", "independent")},
        variation=config["glasses"]["theory"]["variation"],
        asked=GLASSES_ASKED,
        wordings={name: kinds.asked(config, "glasses", name)["wording"] for name in GLASSES_MODELS},
    script:
        "../workflow_scripts/glasses/claims.py"


rule glasses_figures:
    input:
        **GLASSES_PUBLISHED,
        scores=rules.glasses_scores.output.table,
        answers=project_file("resources/published/glasses_answer_histogram_digitised.csv"),
    output:
        png=figure_pngs("glasses", GLASSES_FIGURES),
        pdf=expand("results/glasses/figures/{figure}.pdf", figure=GLASSES_FIGURES),
    log:
        "logs/glasses_figures/figures.log",
    benchmark:
        "logs/benchmarks/glasses_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/glasses/figures.py"),
        models=figure_models("glasses"),
        trained=config["embedded"]["corpus"]["longest"],
    script:
        "../workflow_scripts/glasses/figures.py"


rule glasses:
    input:
        scores=rules.glasses_scores.output.table,
        figures=rules.glasses_figures.output,
        claims=rules.glasses_claims.output.claims,
