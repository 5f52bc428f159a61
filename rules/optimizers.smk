"""Study `optimizers`: "Optimizers Qualitatively Alter Solutions" (2507.12224)."""

from workflow_scripts.optimizers.source import present as optimizers_data_files


wildcard_constraints:
    optimizer="[a-z_]+",


# The entry of each optimiser of the run, by name.
OPTIMIZERS = {name: entry for name, entry in config["optimizers"]["optimizers"].items() if entry}
# Settings of the optimisers that also run outside the streams of tasks.
OPTIMIZERS_SOLVED = {
    name: entry["settings"] for name, entry in OPTIMIZERS.items() if "only" not in entry
}
# Settings of one stopped training run: all but those of the lines between two solutions.
OPTIMIZERS_SOLUTIONS = {
    key: value for key, value in config["optimizers"]["solutions"].items() if key != "line_points"
}
OPTIMIZERS_FIGURES = [
    "forgetting",
    "rank",
    "classes",
    "sparsity",
    "changes",
    "pairs",
    "landscape",
    "linear",
    "power",
    "tuning",
    "reachable",
]


rule optimizers_data:
    input:
        optimizers_data_files(config["optimizers"]["data"]["source"]),
    output:
        data="results/optimizers/data.npz",
    log:
        "logs/optimizers_data/data.log",
    benchmark:
        "logs/benchmarks/optimizers_data/data.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/data.py"),
        source=config["optimizers"]["data"]["source"],
        valid=config["optimizers"]["data"]["valid"],
        test=config["optimizers"]["data"]["test"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/data.py"


rule optimizers_tune:
    input:
        data="results/optimizers/data.npz",
    output:
        table="results/optimizers/tuning/{optimizer}.parquet",
    log:
        "logs/optimizers_tune/{optimizer}.log",
    benchmark:
        "logs/benchmarks/optimizers_tune/{optimizer}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/tune.py"),
        settings=lookup("{optimizer}/settings", within=config["optimizers"]["optimizers"]),
        rate_range=lookup("{optimizer}/rates", within=config["optimizers"]["optimizers"]),
        training=optimizers_settings("hidden", "batch", "steps", "tasks"),
        tuning=config["optimizers"]["tuning"],
        streams=optimizers_streams,
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/tune.py"


rule optimizers_continual:
    input:
        data="results/optimizers/data.npz",
        tuning="results/optimizers/tuning/{optimizer}.parquet",
    output:
        table="results/optimizers/continual/{optimizer}.parquet",
    log:
        "logs/optimizers_continual/{optimizer}.log",
    benchmark:
        "logs/benchmarks/optimizers_continual/{optimizer}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(480),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/continual.py"),
        settings=lookup("{optimizer}/settings", within=config["optimizers"]["optimizers"]),
        training=optimizers_settings(
            "hidden", "batch", "steps", "tasks", "seeds", "probe_every", "fixed_rates"
        ),
        matched=config["optimizers"]["matched"],
        streams=optimizers_streams,
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/continual.py"


rule optimizers_matched:
    input:
        data="results/optimizers/data.npz",
        tuning="results/optimizers/tuning/{optimizer}.parquet",
    output:
        table="results/optimizers/matched/{optimizer}.parquet",
        weights="results/optimizers/matched/{optimizer}.safetensors",
    log:
        "logs/optimizers_matched/{optimizer}.log",
    benchmark:
        "logs/benchmarks/optimizers_matched/{optimizer}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(480),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/matched.py"),
        settings=lookup("{optimizer}/settings", within=config["optimizers"]["optimizers"]),
        training=optimizers_settings("hidden", "batch", "seeds"),
        solutions=OPTIMIZERS_SOLUTIONS,
        pruning=config["optimizers"]["pruning"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/matched.py"


rule optimizers_solutions:
    input:
        data="results/optimizers/data.npz",
        weights=expand(
            "results/optimizers/matched/{optimizer}.safetensors", optimizer=OPTIMIZERS_SOLVED
        ),
    output:
        table="results/optimizers/solutions.parquet",
    log:
        "logs/optimizers_solutions/solutions.log",
    benchmark:
        "logs/benchmarks/optimizers_solutions/solutions.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/solutions.py"),
        optimizers=list(OPTIMIZERS_SOLVED),
        loss_examples=config["optimizers"]["solutions"]["loss_examples"],
        points=config["optimizers"]["solutions"]["line_points"],
    script:
        "../workflow_scripts/optimizers/solutions.py"


rule optimizers_sparsity:
    input:
        data="results/optimizers/data.npz",
    output:
        table="results/optimizers/sparsity.parquet",
    log:
        "logs/optimizers_sparsity/sparsity.log",
    benchmark:
        "logs/benchmarks/optimizers_sparsity/sparsity.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(480),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/sparsity.py"),
        sparsity=config["optimizers"]["sparsity"],
        pruning=config["optimizers"]["pruning"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/sparsity.py"


rule optimizers_landscape:
    output:
        table="results/optimizers/landscape.parquet",
    log:
        "logs/optimizers_landscape/landscape.log",
    benchmark:
        "logs/benchmarks/optimizers_landscape/landscape.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/landscape.py"),
        optimizers=OPTIMIZERS_SOLVED,
        landscape=config["optimizers"]["landscape"],
    script:
        "../workflow_scripts/optimizers/landscape.py"


rule optimizers_linear:
    output:
        table="results/optimizers/linear.parquet",
    log:
        "logs/optimizers_linear/linear.log",
    benchmark:
        "logs/benchmarks/optimizers_linear/linear.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/linear.py"),
        optimizers=OPTIMIZERS_SOLVED,
        linear=config["optimizers"]["linear"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/linear.py"


rule optimizers_theory:
    input:
        data="results/optimizers/data.npz",
    output:
        table="results/optimizers/theory.parquet",
    log:
        "logs/optimizers_theory/theory.log",
    benchmark:
        "logs/benchmarks/optimizers_theory/theory.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
        gpu=config["optimizers"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/optimizers/theory.py"),
        theory=config["optimizers"]["theory"],
        alphas=config["optimizers"]["sparsity"]["alphas"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/theory.py"


rule optimizers_scores:
    input:
        data="results/optimizers/data.npz",
        tuning=expand("results/optimizers/tuning/{optimizer}.parquet", optimizer=OPTIMIZERS),
        continual=expand("results/optimizers/continual/{optimizer}.parquet", optimizer=OPTIMIZERS),
        matched=expand(
            "results/optimizers/matched/{optimizer}.parquet", optimizer=OPTIMIZERS_SOLVED
        ),
        solutions="results/optimizers/solutions.parquet",
        sparsity="results/optimizers/sparsity.parquet",
        landscape="results/optimizers/landscape.parquet",
        linear="results/optimizers/linear.parquet",
        theory="results/optimizers/theory.parquet",
    output:
        table="results/optimizers/scores.parquet",
        changes_table=report(
            "results/optimizers/changes.csv",
            caption="../resources/captions/optimizers/changes_table.rst",
            category="optimizers",
        ),
    log:
        "logs/optimizers_scores/scores.log",
    benchmark:
        "logs/benchmarks/optimizers_scores/scores.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/scores.py"),
        optimizers=list(OPTIMIZERS),
        solved=list(OPTIMIZERS_SOLVED),
    script:
        "../workflow_scripts/optimizers/scores.py"


rule optimizers_claims:
    input:
        scores="results/optimizers/scores.parquet",
    output:
        claims="results/optimizers/claims.json",
    log:
        "logs/optimizers_claims/claims.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/claims.py"),
        hidden=config["optimizers"]["hidden"],
        fixed_rates=config["optimizers"]["fixed_rates"],
        sparsity=config["optimizers"]["sparsity"],
        pruning=config["optimizers"]["pruning"],
        valid=config["optimizers"]["data"]["valid"],
    script:
        "../workflow_scripts/optimizers/claims.py"


rule optimizers_figures:
    input:
        scores="results/optimizers/scores.parquet",
    output:
        png=figure_pngs("optimizers", OPTIMIZERS_FIGURES),
        pdf=expand("results/optimizers/figures/{figure}.pdf", figure=OPTIMIZERS_FIGURES),
    log:
        "logs/optimizers_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/figures.py"),
    script:
        "../workflow_scripts/optimizers/figures.py"


rule optimizers:
    input:
        scores=rules.optimizers_scores.output,
        figures=rules.optimizers_figures.output,
        claims=rules.optimizers_claims.output.claims,
