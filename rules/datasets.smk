"""Public data sets: fetched by name with the user's own clients, checked, with their licences."""

from workflow_scripts.shared import datasets


localrules:
    datasets_images,
    datasets_questions,


rule datasets_images:
    output:
        idx=multiext("data/{dataset}/", *datasets.IDX),
    log:
        "logs/datasets_images/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(datasets.IMAGES),
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/datasets/images.py"),
    script:
        "../workflow_scripts/datasets/images.py"


rule datasets_questions:
    output:
        questions="data/{dataset}",
    log:
        "logs/datasets_questions/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(datasets.QUESTIONS),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=fingerprint("workflow_scripts/datasets/questions.py"),
    script:
        "../workflow_scripts/datasets/questions.py"
