"""Study `optimizers`: "Optimizers Qualitatively Alter Solutions" (2507.12224)."""

from workflow_scripts.optimizers.source import paths as optimizers_data_files


wildcard_constraints:
    optimizer="[a-z_]+",


OPTIMIZERS = {
    name: settings for name, settings in config["optimizers"]["optimizers"].items() if settings
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
    threads: 1
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        code=fingerprint("workflow_scripts/optimizers/tune.py"),
        rule=lookup("optimizers/optimizers/{optimizer}", within=config),
        hidden=config["optimizers"]["hidden"],
        batch=config["optimizers"]["batch"],
        steps=config["optimizers"]["steps"],
        rates=config["optimizers"]["tuning"]["rates"],
        seeds=config["optimizers"]["tuning"]["seeds"],
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
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(480),
    params:
        code=fingerprint("workflow_scripts/optimizers/continual.py"),
        rule=lookup("optimizers/optimizers/{optimizer}", within=config),
        hidden=config["optimizers"]["hidden"],
        batch=config["optimizers"]["batch"],
        steps=config["optimizers"]["steps"],
        tasks=config["optimizers"]["tasks"],
        seeds=config["optimizers"]["seeds"],
        matched=config["optimizers"]["matched"],
        probe_every=config["optimizers"]["probe_every"],
        fixed_rates=config["optimizers"]["fixed_rates"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/continual.py"


rule optimizers_matched:
    input:
        data="results/optimizers/data.npz",
        tuning="results/optimizers/tuning/{optimizer}.parquet",
    output:
        table="results/optimizers/matched/{optimizer}.parquet",
        solutions="results/optimizers/matched/{optimizer}.safetensors",
    log:
        "logs/optimizers_matched/{optimizer}.log",
    benchmark:
        "logs/benchmarks/optimizers_matched/{optimizer}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(480),
    params:
        code=fingerprint("workflow_scripts/optimizers/matched.py"),
        rule=lookup("optimizers/optimizers/{optimizer}", within=config),
        hidden=config["optimizers"]["hidden"],
        batch=config["optimizers"]["batch"],
        seeds=config["optimizers"]["seeds"],
        solutions=config["optimizers"]["solutions"],
        pruning=config["optimizers"]["pruning"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/matched.py"


rule optimizers_solutions:
    input:
        data="results/optimizers/data.npz",
        solutions=expand(
            "results/optimizers/matched/{optimizer}.safetensors",
            optimizer=list(OPTIMIZERS),
        ),
    output:
        table="results/optimizers/solutions.parquet",
    log:
        "logs/optimizers_solutions/solutions.log",
    benchmark:
        "logs/benchmarks/optimizers_solutions/solutions.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/solutions.py"),
        optimizers=list(OPTIMIZERS),
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(480),
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/landscape.py"),
        rules=OPTIMIZERS,
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/linear.py"),
        rules=OPTIMIZERS,
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/optimizers/theory.py"),
        theory=config["optimizers"]["theory"],
        alphas=config["optimizers"]["sparsity"]["alphas"],
        seed=config["seed"],
    script:
        "../workflow_scripts/optimizers/theory.py"


rule optimizers_scores:
    input:
        tuning=expand(
            "results/optimizers/tuning/{optimizer}.parquet",
            optimizer=list(OPTIMIZERS),
        ),
        continual=expand(
            "results/optimizers/continual/{optimizer}.parquet",
            optimizer=list(OPTIMIZERS),
        ),
        matched=expand(
            "results/optimizers/matched/{optimizer}.parquet",
            optimizer=list(OPTIMIZERS),
        ),
        solutions="results/optimizers/solutions.parquet",
        sparsity="results/optimizers/sparsity.parquet",
        landscape="results/optimizers/landscape.parquet",
        linear="results/optimizers/linear.parquet",
        theory="results/optimizers/theory.parquet",
    output:
        table="results/optimizers/scores.parquet",
        changes=report(
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/scores.py"),
        optimizers=list(OPTIMIZERS),
        source=config["optimizers"]["data"]["source"],
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("workflow_scripts/optimizers/claims.py"),
    script:
        "../workflow_scripts/optimizers/claims.py"


rule optimizers_figures:
    input:
        scores="results/optimizers/scores.parquet",
    output:
        forgetting=report(
            "results/optimizers/figures/forgetting.png",
            caption="../resources/captions/optimizers/forgetting.rst",
            category="optimizers",
        ),
        rank=report(
            "results/optimizers/figures/rank.png",
            caption="../resources/captions/optimizers/rank.rst",
            category="optimizers",
        ),
        classes=report(
            "results/optimizers/figures/classes.png",
            caption="../resources/captions/optimizers/classes.rst",
            category="optimizers",
        ),
        sparsity=report(
            "results/optimizers/figures/sparsity.png",
            caption="../resources/captions/optimizers/sparsity.rst",
            category="optimizers",
        ),
        changes=report(
            "results/optimizers/figures/changes.png",
            caption="../resources/captions/optimizers/changes.rst",
            category="optimizers",
        ),
        pairs=report(
            "results/optimizers/figures/pairs.png",
            caption="../resources/captions/optimizers/pairs.rst",
            category="optimizers",
        ),
        landscape=report(
            "results/optimizers/figures/landscape.png",
            caption="../resources/captions/optimizers/landscape.rst",
            category="optimizers",
        ),
        linear=report(
            "results/optimizers/figures/linear.png",
            caption="../resources/captions/optimizers/linear.rst",
            category="optimizers",
        ),
        power=report(
            "results/optimizers/figures/power.png",
            caption="../resources/captions/optimizers/power.rst",
            category="optimizers",
        ),
        tuning=report(
            "results/optimizers/figures/tuning.png",
            caption="../resources/captions/optimizers/tuning.rst",
            category="optimizers",
        ),
        reachable=report(
            "results/optimizers/figures/reachable.png",
            caption="../resources/captions/optimizers/reachable.rst",
            category="optimizers",
        ),
        pdf=expand("results/optimizers/figures/{figure}.pdf", figure=OPTIMIZERS_FIGURES),
    log:
        "logs/optimizers_figures/figures.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
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
