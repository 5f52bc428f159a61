"""Study `softmax`: "softmax is not enough (for sharp out-of-distribution)" (2410.01104)."""


wildcard_constraints:
    training="retrieval|comparison",
    normaliser="[a-z0-9]+",


SOFTMAX_FIGURES = [
    *("accuracy", "gain", "maps", "temperature", "entropy", "spread", "normalisers"),
    *("adaptive", "atlas"),
]
SOFTMAX_PUBLISHED = project_file("resources/published")


rule softmax_theory:
    input:
        polynomial=f"{SOFTMAX_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv",
        spread=f"{SOFTMAX_PUBLISHED}/softmax_logit_spread.csv",
    output:
        table="results/softmax/theory.parquet",
    log:
        "logs/softmax_theory/theory.log",
    benchmark:
        "logs/benchmarks/softmax_theory/theory.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/softmax/theory.py"),
        settings=config["softmax"]["theory"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/theory.py"


rule softmax_train:
    output:
        heads="results/softmax/heads/{training}/{normaliser}.safetensors",
        curve="results/softmax/heads/{training}/{normaliser}.curve.parquet",
    log:
        "logs/softmax_train/{training}/{normaliser}.log",
    benchmark:
        "logs/benchmarks/softmax_train/{training}/{normaliser}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        gpu=config["softmax"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/softmax/train.py"),
        steps=lookup("{training}/steps", within=config["softmax"]),
        seed_count=lookup("{training}/seeds", within=config["softmax"]),
        settings=config["softmax"]["heads"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/train.py"


rule softmax_temperature:
    input:
        heads="results/softmax/heads/retrieval/softmax.safetensors",
    output:
        table="results/softmax/temperature.parquet",
        fit="results/softmax/temperature.json",
    log:
        "logs/softmax_temperature/temperature.log",
    benchmark:
        "logs/benchmarks/softmax_temperature/temperature.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/softmax/temperature.py"),
        settings=config["softmax"]["temperature"],
        block_items=config["softmax"]["block_items"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/temperature.py"


rule softmax_evaluate:
    input:
        heads="results/softmax/heads/{training}/{normaliser}.safetensors",
        published=f"{SOFTMAX_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv",
        fit=branch(
            evaluate("{training} == 'retrieval'"),
            then="results/softmax/temperature.json",
            otherwise=[],
        ),
    output:
        table="results/softmax/tests/{training}/{normaliser}.parquet",
    log:
        "logs/softmax_evaluate/{training}/{normaliser}.log",
    benchmark:
        "logs/benchmarks/softmax_evaluate/{training}/{normaliser}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        code=fingerprint("workflow_scripts/softmax/evaluate.py"),
        sets=lookup("{training}/sets", within=config["softmax"]),
        total_items=lookup("{training}/total_items", within=config["softmax"]),
        sizes=config["softmax"]["sizes"],
        top_k=config["softmax"]["heads"]["top_k"],
        block_items=config["softmax"]["block_items"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/evaluate.py"


rule softmax_maps:
    input:
        heads="results/softmax/heads/retrieval/softmax.safetensors",
        published=f"{SOFTMAX_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv",
    output:
        table="results/softmax/maps.parquet",
    log:
        "logs/softmax_maps/maps.log",
    benchmark:
        "logs/benchmarks/softmax_maps/maps.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/softmax/maps.py"),
        settings=config["softmax"]["maps"],
        block_items=config["softmax"]["block_items"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/maps.py"


rule softmax_models:
    input:
        model_files=model_files,
        text=project_file(config["softmax"]["models"]["text"]),
    output:
        table="results/softmax/models/{model}.parquet",
    log:
        "logs/softmax_models/{model}.log",
    benchmark:
        "logs/benchmarks/softmax_models/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(60),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/softmax/models.py"),
        spec=serving_in("softmax"),
        checkpoint=model_checkpoint,
        settings=config["softmax"]["models"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/models.py"


rule softmax_adaptive_models:
    input:
        model_files=model_files,
        published=f"{SOFTMAX_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv",
    output:
        table="results/softmax/adaptive/{model}.parquet",
        atlas_file="results/softmax/atlas/{model}.parquet",
        fits="results/softmax/adaptive/{model}.json",
    log:
        "logs/softmax_adaptive_models/{model}.log",
    benchmark:
        "logs/benchmarks/softmax_adaptive_models/{model}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(120),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/softmax/adaptive_models.py"),
        spec=serving_in("softmax"),
        checkpoint=model_checkpoint,
        settings=config["softmax"]["adaptive"],
        seed=config["seed"],
    script:
        "../workflow_scripts/softmax/adaptive_models.py"


rule softmax_scores:
    input:
        theory="results/softmax/theory.parquet",
        retrieval=expand(
            "results/softmax/tests/retrieval/{normaliser}.parquet",
            normaliser=config["softmax"]["retrieval"]["normalisers"],
        ),
        comparison=expand(
            "results/softmax/tests/comparison/{normaliser}.parquet",
            normaliser=config["softmax"]["comparison"]["normalisers"],
        ),
        temperature="results/softmax/temperature.parquet",
        fit="results/softmax/temperature.json",
        published=f"{SOFTMAX_PUBLISHED}/softmax_adaptive_temperature_polynomial.csv",
        models=expand("results/softmax/models/{model}.parquet", model=models_of(config, "softmax")),
        adaptive=expand(
            "results/softmax/adaptive/{model}.parquet", model=models_of(config, "softmax")
        ),
    output:
        table="results/softmax/scores.parquet",
    log:
        "logs/softmax_scores/scores.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/softmax/scores.py"),
        betas=config["softmax"]["temperature"]["betas"],
        retrieval_steps=config["softmax"]["retrieval"]["steps"],
        comparison_steps=config["softmax"]["comparison"]["steps"],
    script:
        "../workflow_scripts/softmax/scores.py"


rule softmax_claims:
    input:
        scores="results/softmax/scores.parquet",
        accuracy=f"{SOFTMAX_PUBLISHED}/softmax_table1_max_retrieval.csv",
        spread=f"{SOFTMAX_PUBLISHED}/softmax_logit_spread.csv",
    output:
        claims="results/softmax/claims.json",
    log:
        "logs/softmax_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/softmax/claims.py"),
        models=study_models("softmax"),
        settings={
            "heads": config["softmax"]["heads"],
            "sizes": config["softmax"]["sizes"],
            "retrieval_steps": config["softmax"]["retrieval"]["steps"],
            "comparison_steps": config["softmax"]["comparison"]["steps"],
        },
    script:
        "../workflow_scripts/softmax/claims.py"


rule softmax_figures:
    input:
        scores="results/softmax/scores.parquet",
        maps="results/softmax/maps.parquet",
        atlas=expand("results/softmax/atlas/{model}.parquet", model=models_of(config, "softmax")),
        accuracy=f"{SOFTMAX_PUBLISHED}/softmax_table1_max_retrieval.csv",
        spread=f"{SOFTMAX_PUBLISHED}/softmax_logit_spread.csv",
    output:
        png=figure_pngs("softmax", SOFTMAX_FIGURES),
        pdf=expand("results/softmax/figures/{figure}.pdf", figure=SOFTMAX_FIGURES),
    log:
        "logs/softmax_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/softmax/figures.py"),
        models=figure_models("softmax"),
    script:
        "../workflow_scripts/softmax/figures.py"


rule softmax:
    input:
        scores=rules.softmax_scores.output.table,
        figures=rules.softmax_figures.output,
        claims=rules.softmax_claims.output.claims,
