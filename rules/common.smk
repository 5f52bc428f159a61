"""What the rules share: a checked config, code fingerprints, and the models of each study."""

from workflow_scripts.inference.engines import serving
from workflow_scripts.models.registry import checkpoint, local_files, models_of
from workflow_scripts.shared.config import ConfigError, check, config_checks
from workflow_scripts.shared.fingerprint import fingerprint
from workflow_scripts.shared.job import growing, project_file
from workflow_scripts.shared.snakemake_internals import SettingError, typed_settings

try:
    typed_settings(config, workflow.config_settings.config or {})
    check(config, config_checks())
except (ConfigError, SettingError) as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    model=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    study=r"[a-z_]+",


def model_files(wildcards):
    """Files or folders that must exist before the wildcard's model can be loaded."""
    return local_files(config["models"], wildcards.model)


def model_serving(wildcards):
    """Settings of the wildcard's model for loading and querying it."""
    return serving(config["models"][wildcards.model], config["inference"]["server"])


def model_environment(wildcards):
    """The environment of the wildcard's model: vLLM cannot share one with the rest."""
    if config["models"][wildcards.model].get("engine") == "vllm":
        return "../envs/vllm.yaml"
    return "../envs/models.yaml"


def model_checkpoint(wildcards):
    """Folder or hub id that the wildcard's model loads from."""
    return checkpoint(config["models"], wildcards.model)


def figure_pngs(study, names):
    """The study's figures as PNGs with their captions, for the report; PDFs are drawn beside them.

    A missing caption ends the run here, not hours later in the report.
    """
    pngs = []
    for name in names:
        caption = f"../resources/captions/{study}/{name}.rst"
        if not (Path(workflow.basedir) / caption[3:]).is_file():
            raise WorkflowError(
                f"figure {name} of {study}: expected its caption in {caption[3:]}, found no file"
            )
        png = report(f"results/{study}/figures/{name}.png", caption=caption, category=study)
        pngs.append(png)
    return pngs


def study_models(study):
    """The study's models with their entries in the config."""
    return {name: config["models"][name] for name in models_of(config, study)}


def figure_models(study):
    """For each of the study's models: its place in the config (colour), and whether it is a
    stand-in."""
    places = {name: place for place, name in enumerate(config["models"])}
    return {
        name: {"place": places[name], "stand_in": entry["source"] == "train"}
        for name, entry in study_models(study).items()
    }


def study_outputs(wildcards):
    """The inputs of all studies' target rules."""
    return [path for study in config["studies"] for path in getattr(rules, study).input]
