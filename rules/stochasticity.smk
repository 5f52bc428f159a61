"""Study `stochasticity`: "The Illusion of Stochasticity in LLMs" (2604.06543)."""

STOCHASTICITY_MODELS = models_of(config, "stochasticity")
STOCHASTICITY_THINKERS = [name for name in STOCHASTICITY_MODELS if kinds.switchable(config, name)]
STOCHASTICITY_CODERS = [
    name for name in STOCHASTICITY_MODELS if kinds.asked(config, "stochasticity", name)["programs"]
]
STOCHASTICITY_STOPPED = STOCHASTICITY_MODELS if config["stochasticity"]["stopping"] else []
STOCHASTICITY_LOCAL = shown_inside(config["models"], STOCHASTICITY_MODELS)
STOCHASTICITY_FIGURES = [
    "histograms",
    "styles",
    "decoding",
    "dependence",
    "transitions",
    "positions",
    "generators",
    "conversion",
    "seeds",
    "letters",
    "discrete",
    "power",
    "exact",
    "collisions",
]


rule stochasticity_requests:
    input:
        model_files=model_files,
    output:
        requests="results/stochasticity/requests/{model}.parquet",
    log:
        "logs/stochasticity_requests/{model}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint("workflow_scripts/stochasticity/requests.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        asked=asked_in("stochasticity"),
        draws=config["stochasticity"]["draws"],
        settings={
            key: config["stochasticity"][key]
            for key in (
                "decoding",
                "external_maps",
                "self_made_maps",
                "discrete",
                "stopping",
            )
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/requests.py"


rule stochasticity_sequential:
    input:
        model_files=model_files,
    output:
        draw_table="results/stochasticity/sequential/{model}.parquet",
    log:
        "logs/stochasticity_sequential/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_sequential/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/stochasticity/sequential.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        settings=config["stochasticity"]["sequential"],
        long={key: config["stochasticity"][key] for key in ("batched", "generators")},
        draws=config["stochasticity"]["draws"],
        asked=asked_in("stochasticity"),
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/sequential.py"


rule stochasticity_reasoning:
    input:
        model_files=model_files,
    output:
        draw_table="results/stochasticity/reasoning/{model}.parquet",
    log:
        "logs/stochasticity_reasoning/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_reasoning/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/stochasticity/reasoning.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        draws=config["stochasticity"]["draws"],
        asked=asked_in("stochasticity"),
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/reasoning.py"


rule stochasticity_code_tool:
    input:
        model_files=model_files,
    output:
        written="results/stochasticity/code_replies/{model}.parquet",
    log:
        "logs/stochasticity_code_tool/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_code_tool/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/stochasticity/code_tool.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        programs=config["stochasticity"]["code_tool"]["programs"],
        draws=config["stochasticity"]["draws"],
        asked=asked_in("stochasticity"),
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/code_tool.py"


rule stochasticity_programs:
    input:
        written=rules.stochasticity_code_tool.output.written,
    output:
        draw_table="results/stochasticity/code_tool/{model}.parquet",
    log:
        "logs/stochasticity_programs/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_programs/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000 + config["stochasticity"]["code_tool"]["limits"]["memory_mb"]),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/stochasticity/programs.py"),
        limits=config["stochasticity"]["code_tool"]["limits"],
    script:
        "../workflow_scripts/stochasticity/programs.py"


rule stochasticity_stopping:
    input:
        model_files=model_files,
    output:
        rounds="results/stochasticity/stopping/{model}.parquet",
    log:
        "logs/stochasticity_stopping/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_stopping/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/stochasticity/stopping.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        settings=config["stochasticity"]["stopping"],
        asked_as=asked_in("stochasticity"),
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/stopping.py"


rule stochasticity_exact:
    input:
        model_files=model_files,
    output:
        laws_table="results/stochasticity/exact/{model}.parquet",
    log:
        "logs/stochasticity_exact/{model}.log",
    benchmark:
        "logs/benchmarks/stochasticity_exact/{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/stochasticity/exact.py"),
        spec=serving_in("stochasticity"),
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        settings=config["stochasticity"]["exact"],
        decoding=config["stochasticity"]["decoding"],
        discrete=config["stochasticity"]["discrete"],
        asked=asked_in("stochasticity"),
    script:
        "../workflow_scripts/stochasticity/exact.py"


rule stochasticity_controls:
    output:
        draw_table="results/stochasticity/controls/draws.parquet",
        rates="results/stochasticity/controls/rates.parquet",
    log:
        "logs/stochasticity_controls/controls.log",
    benchmark:
        "logs/benchmarks/stochasticity_controls/controls.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/stochasticity/controls.py"),
        sequential=config["stochasticity"]["sequential"],
        long={key: config["stochasticity"][key] for key in ("batched", "generators")},
        questions={
            key: config["stochasticity"][key]
            for key in ("external_maps", "self_made_maps", "discrete")
        },
        settings=config["stochasticity"]["controls"],
        draws=config["stochasticity"]["draws"],
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/controls.py"


rule stochasticity_scores:
    input:
        requests=expand(rules.stochasticity_requests.output.requests, model=STOCHASTICITY_MODELS),
        responses=expand(
            "results/stochasticity/responses/{model}.parquet", model=STOCHASTICITY_MODELS
        ),
        draw_tables=[
            rules.stochasticity_controls.output.draw_table,
            *expand(rules.stochasticity_sequential.output.draw_table, model=STOCHASTICITY_MODELS),
            *expand(rules.stochasticity_reasoning.output.draw_table, model=STOCHASTICITY_THINKERS),
            *expand(rules.stochasticity_programs.output.draw_table, model=STOCHASTICITY_CODERS),
        ],
        laws=expand(rules.stochasticity_exact.output.laws_table, model=STOCHASTICITY_LOCAL),
        rounds=expand(rules.stochasticity_stopping.output.rounds, model=STOCHASTICITY_STOPPED),
        rates=rules.stochasticity_controls.output.rates,
    output:
        scores="results/stochasticity/scores.parquet",
    log:
        "logs/stochasticity_scores/scores.log",
    benchmark:
        "logs/benchmarks/stochasticity_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=fingerprint("workflow_scripts/stochasticity/scores.py"),
        models={name: kinds.kind(config, name) for name in STOCHASTICITY_MODELS},
        stages=config["stochasticity"]["stages"],
        draws=config["stochasticity"]["draws"],
        seed=config["seed"],
    script:
        "../workflow_scripts/stochasticity/scores.py"


rule stochasticity_claims:
    input:
        scores=rules.stochasticity_scores.output.scores,
        published=project_file("resources/published/stochasticity_scalars.csv"),
    output:
        claims="results/stochasticity/claims.json",
    log:
        "logs/stochasticity_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/stochasticity/claims.py"),
        models=study_models("stochasticity"),
        sizes=config["stochasticity"]["sizes"],
        stages=config["stochasticity"]["stages"],
    script:
        "../workflow_scripts/stochasticity/claims.py"


rule stochasticity_figures:
    input:
        scores=rules.stochasticity_scores.output.scores,
    output:
        png=figure_pngs("stochasticity", STOCHASTICITY_FIGURES),
        pdf=expand("results/stochasticity/figures/{figure}.pdf", figure=STOCHASTICITY_FIGURES),
    log:
        "logs/stochasticity_figures/figures.log",
    benchmark:
        "logs/benchmarks/stochasticity_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/stochasticity/figures.py"),
        models=figure_models("stochasticity"),
    script:
        "../workflow_scripts/stochasticity/figures.py"


rule stochasticity:
    input:
        scores=rules.stochasticity_scores.output.scores,
        figures=rules.stochasticity_figures.output,
        claims=rules.stochasticity_claims.output.claims,
