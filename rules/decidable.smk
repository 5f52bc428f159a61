"""Which claims a run can decide, before anything ran."""

from workflow_scripts.models.registry import studies_of
from workflow_scripts.optimizers import source as optimizers_source
from workflow_scripts.publish import decidable as what_it_decides
from workflow_scripts.shared.job import growing


localrules:
    publish_decidable,


rule publish_decidable:
    output:
        decidable="results/decidable.json",
    log:
        "logs/publish_decidable/decidable.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=fingerprint(
            "workflow_scripts/publish/decidable.py",
            *(f"workflow_scripts/{study}/claims.py" for study in studies_of(config)),
        ),
        default=project_file("resources/reference/default.csv"),
        arguments={study: claims_arguments(study) for study in studies_of(config)},
        units=what_it_decides.units(config, DEFAULTS),
        data=optimizers_source.named(config["optimizers"]["data"]["source"]),
    script:
        "../workflow_scripts/publish/decidable.py"


rule decidable:
    input:
        rules.publish_decidable.output,
