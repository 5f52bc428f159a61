"""Study `change_of_mind`: "Competing Biases underlie Overconfidence and Underconfidence" (2507.03120)."""


wildcard_constraints:
    world="embedded|cities|cities-difficult",


CHANGE_OF_MIND_MODELS = models_of(config, "change_of_mind")
CHANGE_OF_MIND_PUBLISHED = project_file("resources/published")
CHANGE_OF_MIND_ANSWERERS = list(config["change_of_mind"]["answerers"])
# Of every model, then of the artificial answerers.
CHANGE_OF_MIND_TRIALS = [
    f"results/change_of_mind/{folder}/{name}/trials.parquet"
    for folder, names in (
        ("answers", CHANGE_OF_MIND_MODELS),
        ("answerers", CHANGE_OF_MIND_ANSWERERS),
    )
    for name in names
]
CHANGE_OF_MIND_FIGURES = [
    "paradigm",
    "change_rate",
    "first_confidence",
    "sigmoid",
    "confidence_change",
    "confidence_change_odds",
    "ideal",
    "ideal_odds",
    "updates",
    "oucs",
    "overweighting",
    "controls",
    "transfer",
    "reliability",
    "elpd",
    "posterior",
    "recovery",
]


rule change_of_mind_questions:
    input:
        source=branch(
            evaluate("{world} == 'embedded'"),
            then="results/models/corpus/places.parquet",
            otherwise=project_file("resources/change_of_mind/cities.csv"),
        ),
        files=change_of_mind_files,
    output:
        questions="results/change_of_mind/questions/{world}.parquet",
    log:
        "logs/change_of_mind_questions/{world}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/questions.py"),
        counts=config["change_of_mind"]["questions"],
        calibration_share=config["change_of_mind"]["calibration_share"],
        offset=change_of_mind_offset,
        files=config["change_of_mind"]["files"],
        seed=config["seed"],
    script:
        "../workflow_scripts/change_of_mind/questions.py"


rule change_of_mind_ask:
    input:
        questions=change_of_mind_questions,
        model=model_files,
    output:
        requests="results/change_of_mind/answers/{model}/requests.parquet",
        responses="results/change_of_mind/answers/{model}/responses.parquet",
        trials="results/change_of_mind/answers/{model}/trials.parquet",
    log:
        "logs/change_of_mind_ask/{model}.log",
    benchmark:
        "logs/benchmarks/change_of_mind_ask/{model}.tsv"
    conda:
        model_environment
    threads: 1
    resources:
        mem_mb=growing(config["inference"]["mem_mb"]),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=config["inference"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/change_of_mind/ask.py"),
        world=change_of_mind_world,
        spec=model_serving,
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        accuracies=config["change_of_mind"]["accuracies"],
        counts=config["change_of_mind"]["questions"],
        temperature=config["change_of_mind"]["temperature"],
        seed=config["seed"],
    script:
        "../workflow_scripts/change_of_mind/ask.py"


rule change_of_mind_answerers:
    input:
        questions="results/change_of_mind/questions/cities.parquet",
    output:
        **{
            f"{name}_{kind}": f"results/change_of_mind/answerers/{name}/{kind}.parquet"
            for name in CHANGE_OF_MIND_ANSWERERS
            for kind in ("requests", "responses", "trials")
        },
    log:
        "logs/change_of_mind_answerers/answerers.log",
    benchmark:
        "logs/benchmarks/change_of_mind_answerers/answerers.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/answerers.py"),
        settings=config["change_of_mind"]["answerers"],
        accuracies=config["change_of_mind"]["accuracies"],
        counts=config["change_of_mind"]["questions"],
        temperature=config["change_of_mind"]["temperature"],
        seed=config["seed"],
    script:
        "../workflow_scripts/change_of_mind/answerers.py"


rule change_of_mind_regressions:
    input:
        trials=expand(
            "results/change_of_mind/answers/{model}/trials.parquet", model=CHANGE_OF_MIND_MODELS
        ),
    output:
        table="results/change_of_mind/regressions.parquet",
    log:
        "logs/change_of_mind_regressions/regressions.log",
    benchmark:
        "logs/benchmarks/change_of_mind_regressions/regressions.tsv"
    conda:
        "../envs/bayes.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/regressions.py"),
        settings=config["change_of_mind"]["regressions"],
        seed=config["seed"],
    script:
        "../workflow_scripts/change_of_mind/regressions.py"


rule change_of_mind_scores:
    input:
        trials=CHANGE_OF_MIND_TRIALS,
        regressions=rules.change_of_mind_regressions.output.table,
    output:
        scores="results/change_of_mind/scores.parquet",
    log:
        "logs/change_of_mind_scores/scores.log",
    benchmark:
        "logs/benchmarks/change_of_mind_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/scores.py"),
        settings={
            key: config["change_of_mind"][key]
            for key in ("bins", "bootstrap", "least_ideal_update")
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/change_of_mind/scores.py"


rule change_of_mind_claims:
    input:
        scores=rules.change_of_mind_scores.output.scores,
        rates=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_rates.csv",
        scalars=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_scalars.csv",
        gain=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_confidence_boost.csv",
        overweighting=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_overweighting.csv",
        oucs=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_oucs.csv",
        sigmoid=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_sigmoid.csv",
        elpd=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_elpd.csv",
    output:
        claims="results/change_of_mind/claims.json",
    log:
        "logs/change_of_mind_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/claims.py"),
        models={name: config["models"][name] for name in CHANGE_OF_MIND_MODELS},
    script:
        "../workflow_scripts/change_of_mind/claims.py"


rule change_of_mind_figures:
    input:
        scores=rules.change_of_mind_scores.output.scores,
        rates=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_rates.csv",
        scalars=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_scalars.csv",
        overweighting=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_overweighting.csv",
        oucs=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_oucs.csv",
        sigmoid=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_sigmoid.csv",
        elpd=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_elpd.csv",
        posterior=f"{CHANGE_OF_MIND_PUBLISHED}/change_of_mind_posterior.csv",
    output:
        paradigm=report(
            "results/change_of_mind/figures/paradigm.png",
            caption="../resources/captions/change_of_mind/paradigm.rst",
            category="change_of_mind",
        ),
        change_rate=report(
            "results/change_of_mind/figures/change_rate.png",
            caption="../resources/captions/change_of_mind/change_rate.rst",
            category="change_of_mind",
        ),
        first_confidence=report(
            "results/change_of_mind/figures/first_confidence.png",
            caption="../resources/captions/change_of_mind/first_confidence.rst",
            category="change_of_mind",
        ),
        sigmoid=report(
            "results/change_of_mind/figures/sigmoid.png",
            caption="../resources/captions/change_of_mind/sigmoid.rst",
            category="change_of_mind",
        ),
        confidence_change=report(
            "results/change_of_mind/figures/confidence_change.png",
            caption="../resources/captions/change_of_mind/confidence_change.rst",
            category="change_of_mind",
        ),
        confidence_change_odds=report(
            "results/change_of_mind/figures/confidence_change_odds.png",
            caption="../resources/captions/change_of_mind/confidence_change_odds.rst",
            category="change_of_mind",
        ),
        ideal=report(
            "results/change_of_mind/figures/ideal.png",
            caption="../resources/captions/change_of_mind/ideal.rst",
            category="change_of_mind",
        ),
        ideal_odds=report(
            "results/change_of_mind/figures/ideal_odds.png",
            caption="../resources/captions/change_of_mind/ideal_odds.rst",
            category="change_of_mind",
        ),
        updates=report(
            "results/change_of_mind/figures/updates.png",
            caption="../resources/captions/change_of_mind/updates.rst",
            category="change_of_mind",
        ),
        oucs=report(
            "results/change_of_mind/figures/oucs.png",
            caption="../resources/captions/change_of_mind/oucs.rst",
            category="change_of_mind",
        ),
        overweighting=report(
            "results/change_of_mind/figures/overweighting.png",
            caption="../resources/captions/change_of_mind/overweighting.rst",
            category="change_of_mind",
        ),
        controls=report(
            "results/change_of_mind/figures/controls.png",
            caption="../resources/captions/change_of_mind/controls.rst",
            category="change_of_mind",
        ),
        transfer=report(
            "results/change_of_mind/figures/transfer.png",
            caption="../resources/captions/change_of_mind/transfer.rst",
            category="change_of_mind",
        ),
        reliability=report(
            "results/change_of_mind/figures/reliability.png",
            caption="../resources/captions/change_of_mind/reliability.rst",
            category="change_of_mind",
        ),
        elpd=report(
            "results/change_of_mind/figures/elpd.png",
            caption="../resources/captions/change_of_mind/elpd.rst",
            category="change_of_mind",
        ),
        posterior=report(
            "results/change_of_mind/figures/posterior.png",
            caption="../resources/captions/change_of_mind/posterior.rst",
            category="change_of_mind",
        ),
        recovery=report(
            "results/change_of_mind/figures/recovery.png",
            caption="../resources/captions/change_of_mind/recovery.rst",
            category="change_of_mind",
        ),
        pdf=expand("results/change_of_mind/figures/{figure}.pdf", figure=CHANGE_OF_MIND_FIGURES),
    log:
        "logs/change_of_mind_figures/figures.log",
    benchmark:
        "logs/benchmarks/change_of_mind_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/figures.py"),
        models=CHANGE_OF_MIND_MODELS,
        stand_ins=[
            name for name in CHANGE_OF_MIND_MODELS if config["models"][name]["source"] == "train"
        ],
        answerers=config["change_of_mind"]["answerers"],
    script:
        "../workflow_scripts/change_of_mind/figures.py"


rule change_of_mind:
    input:
        scores=rules.change_of_mind_scores.output.scores,
        figures=rules.change_of_mind_figures.output,
        claims=rules.change_of_mind_claims.output.claims,
