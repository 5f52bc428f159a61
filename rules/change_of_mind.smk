"""Study `change_of_mind`: "Competing Biases underlie Overconfidence and Underconfidence" (2507.03120)."""


wildcard_constraints:
    world="embedded|cities|cities-difficult",


CHANGE_OF_MIND_PUBLISHED = project_file("resources/published/change_of_mind_{table}.csv")
CHANGE_OF_MIND_ANSWERERS = list(config["change_of_mind"]["answerers"])
CHANGE_OF_MIND_TRIALS = expand(
    "results/change_of_mind/answers/{model}/trials.parquet",
    model=models_of(config, "change_of_mind"),
)
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
        choice_files=change_of_mind_files,
    output:
        questions="results/change_of_mind/questions/{world}.parquet",
    log:
        "logs/change_of_mind_questions/{world}.log",
    conda:
        "../envs/analysis.yaml"
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
        model_files=model_files,
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
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        code=fingerprint("workflow_scripts/change_of_mind/ask.py"),
        asked=asked_in("change_of_mind"),
        spec=serving_in("change_of_mind"),
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
            kind: expand(
                f"results/change_of_mind/answerers/{{name}}/{kind}.parquet",
                name=CHANGE_OF_MIND_ANSWERERS,
            )
            for kind in ("requests", "responses", "trials")
        },
    log:
        "logs/change_of_mind_answerers/answerers.log",
    benchmark:
        "logs/benchmarks/change_of_mind_answerers/answerers.tsv"
    conda:
        "../envs/analysis.yaml"
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
        trials=CHANGE_OF_MIND_TRIALS,
    output:
        regressions="results/change_of_mind/regressions.parquet",
    log:
        "logs/change_of_mind_regressions/regressions.log",
    benchmark:
        "logs/benchmarks/change_of_mind_regressions/regressions.tsv"
    conda:
        "../envs/bayes.yaml"
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
        trials=[*CHANGE_OF_MIND_TRIALS, *rules.change_of_mind_answerers.output.trials],
        regressions=rules.change_of_mind_regressions.output.regressions,
    output:
        scores="results/change_of_mind/scores.parquet",
    log:
        "logs/change_of_mind_scores/scores.log",
    benchmark:
        "logs/benchmarks/change_of_mind_scores/scores.tsv"
    conda:
        "../envs/analysis.yaml"
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
        published=expand(
            CHANGE_OF_MIND_PUBLISHED,
            table=[
                "rates",
                "scalars",
                "confidence_boost",
                "overweighting",
                "oucs",
                "sigmoid",
                "elpd",
            ],
        ),
    output:
        claims="results/change_of_mind/claims.json",
    log:
        "logs/change_of_mind_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/claims.py"),
        models=study_models("change_of_mind"),
        settings={
            key: config["change_of_mind"][key]
            for key in ("temperature", "accuracies", "foils", "files")
        },
        difficult={
            name: kinds.asked(config, "change_of_mind", name).get("difficult", False)
            for name in models_of(config, "change_of_mind")
        },
        choices={
            name: kinds.asked(config, "change_of_mind", name).get("choices", "logprobs")
            for name in models_of(config, "change_of_mind")
        },
    script:
        "../workflow_scripts/change_of_mind/claims.py"


rule change_of_mind_figures:
    input:
        scores=rules.change_of_mind_scores.output.scores,
        published=expand(
            CHANGE_OF_MIND_PUBLISHED,
            table=["rates", "scalars", "overweighting", "oucs", "sigmoid", "elpd", "posterior"],
        ),
    output:
        png=figure_pngs("change_of_mind", CHANGE_OF_MIND_FIGURES),
        pdf=expand("results/change_of_mind/figures/{figure}.pdf", figure=CHANGE_OF_MIND_FIGURES),
    log:
        "logs/change_of_mind_figures/figures.log",
    benchmark:
        "logs/benchmarks/change_of_mind_figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/change_of_mind/figures.py"),
        models=figure_models("change_of_mind"),
        answerers=config["change_of_mind"]["answerers"],
    script:
        "../workflow_scripts/change_of_mind/figures.py"


rule change_of_mind:
    input:
        scores=rules.change_of_mind_scores.output.scores,
        figures=rules.change_of_mind_figures.output,
        claims=rules.change_of_mind_claims.output.claims,
