"""Requests to responses, for every study and model."""


rule inference_probe:
    output:
        probe="results/models/{model}/probe.json",
    log:
        "logs/inference_probe/{model}.log",
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        spec=probed,
        code=fingerprint("workflow_scripts/inference/probe.py"),
    script:
        "../workflow_scripts/inference/probe.py"


rule inference_generate:
    input:
        requests="results/{study}/requests/{model}.parquet",
        model_files=model_files,
    output:
        responses="results/{study}/responses/{model}.parquet",
    log:
        "logs/inference_generate/{study}-{model}.log",
    benchmark:
        "logs/benchmarks/inference_generate/{study}-{model}.tsv"
    conda:
        model_environment
    resources:
        mem_mb=growing(asked_mb(config)),
        runtime=growing(config["inference"]["runtime_min"]),
        gpu=model_gpus,
    params:
        spec=serving_in_study,
        checkpoint=model_checkpoint,
        batch_tokens=config["inference"]["batch_tokens"],
        code=fingerprint("workflow_scripts/inference/generate.py"),
    script:
        "../workflow_scripts/inference/generate.py"
