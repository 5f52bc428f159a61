"""CLRS-30 data and neural algorithmic reasoners, for the studies `cocycles` and `transnar`."""


wildcard_constraints:
    algorithm="[a-z_]+",
    reasoner="[a-z0-9_]+",


TRAINED_REASONERS = [
    name for name, reasoner in config["clrs"]["reasoners"].items() if reasoner["steps"]
]


rule clrs_export:
    output:
        data="results/clrs/data/{algorithm}.npz",
    log:
        "logs/clrs_export/{algorithm}.log",
    benchmark:
        "logs/benchmarks/clrs_export/{algorithm}.tsv"
    conda:
        "../envs/clrs.yaml"
    resources:
        mem_mb=growing(export_mb),
        runtime=growing(240),
    params:
        code=fingerprint("workflow_scripts/clrs/export.py"),
        plain=config["clrs"]["data"],
        paired=config["transnar"]["data"],
        paired_algorithms=config["transnar"]["algorithms"],
        seed=config["seed"],
    script:
        "../workflow_scripts/clrs/export.py"


rule clrs_train:
    input:
        data=reasoner_data,
    output:
        models=expand(
            "results/clrs/reasoners/{{reasoner}}/{index}.safetensors",
            index=range(config["clrs"]["train"]["seeds"]),
        ),
        curve="results/clrs/reasoners/{reasoner}/curve.parquet",
    log:
        "logs/clrs_train/{reasoner}.log",
    benchmark:
        "logs/benchmarks/clrs_train/{reasoner}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(reasoner_mb),
        runtime=growing(config["clrs"]["train"]["runtime_min"]),
        gpu=config["clrs"]["train"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/clrs/train.py"),
        algorithms=lookup("{reasoner}/algorithms", within=config["clrs"]["reasoners"]),
        steps=lookup("{reasoner}/steps", within=config["clrs"]["reasoners"]),
        training={
            key: value
            for key, value in config["clrs"]["train"].items()
            if key not in ("runtime_min", "gpu", "seeds")
        },
        seed=config["seed"],
    script:
        "../workflow_scripts/clrs/train.py"


rule clrs_evaluate:
    input:
        models=rules.clrs_train.output.models,
        data=reasoner_data,
    output:
        table="results/clrs/tests/{reasoner}.parquet",
    log:
        "logs/clrs_evaluate/{reasoner}.log",
    benchmark:
        "logs/benchmarks/clrs_evaluate/{reasoner}.tsv"
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(config["clrs"]["train"]["runtime_min"]),
        gpu=config["clrs"]["train"]["gpu"],
    params:
        code=fingerprint("workflow_scripts/clrs/evaluate.py"),
        algorithms=lookup("{reasoner}/algorithms", within=config["clrs"]["reasoners"]),
        batch=config["clrs"]["test_batch"],
    script:
        "../workflow_scripts/clrs/evaluate.py"


rule clrs:
    input:
        expand("results/clrs/tests/{reasoner}.parquet", reasoner=TRAINED_REASONERS),
