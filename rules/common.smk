"""What the rules share: a checked config, code fingerprints, and the models of each study."""

from workflow_scripts.clrs.size import sets_mb
from workflow_scripts.inference import kinds
from workflow_scripts.models import lock
from workflow_scripts.models.registry import from_hub, left_out, models_of, shown_inside, studies_of
from workflow_scripts.models.registry import checkpoint, local_files, probe_file, served
from workflow_scripts.models.size import asked_mb, gpus
from workflow_scripts.shared.config import ConfigError, check, config_checks
from workflow_scripts.shared.fingerprint import fingerprint
from workflow_scripts.shared.job import growing, project_file
from workflow_scripts.shared.snakemake_internals import SettingError, typed_settings
from workflow_scripts.shared.sources import gguf_file
from workflow_scripts.transnar.size import answers_mb, pass_mb
from workflow_scripts.transnar.size import pretrained_answers_mb, pretrained_train_mb

try:
    typed_settings(config, workflow.config_settings.config or {})
    check(config, config_checks())
    FROM_HUB = from_hub(lock.of_hub(config))  # as written: with `latest`, not its commit
    UNLOCKED = lock.apply(config, lock.read())
except (ConfigError, SettingError) as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    model=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    study=r"[a-z_]+",


def model_files(wildcards):
    """Files or folders that must exist before the wildcard's model can be loaded."""
    return local_files(config["models"], wildcards.model)


def is_served(wildcards):
    """Whether the wildcard's model is on a server."""
    return bool(served(config["models"], [wildcards.model]))


def serving_in(study):
    """A function of wildcards: the settings for loading and querying the model in a study."""

    def of_model(wildcards):
        return kinds.serving(config, study, wildcards.model)

    return of_model


def serving_in_study(wildcards):
    """The same, for the study of the wildcards."""
    return kinds.serving(config, wildcards.study, wildcards.model)


def asked_in(study):
    """A function of wildcards: what a study asks of the model, by its kind."""

    def of_model(wildcards):
        return kinds.asked(config, study, wildcards.model)

    return of_model


def model_gpus(wildcards):
    """GPUs of a job that loads the wildcard's model."""
    return gpus(config, wildcards.model)


def model_environment(wildcards):
    """The environment of the wildcard's model: vLLM cannot share one with the rest."""
    if config["models"][wildcards.model].get("engine") == "vllm":
        return "../envs/vllm.yaml"
    return "../envs/models.yaml"


def model_checkpoint(wildcards):
    """Folder or hub id that the wildcard's model loads from, or the probe of its server."""
    if is_served(wildcards):
        return probe_file(wildcards.model)
    return checkpoint(config["models"], wildcards.model)


def probed(wildcards):
    """The settings for asking the server of the wildcard's model, whatever the study."""
    return kinds.serving_alone(config, wildcards.model)


def figure_pngs(study, names):
    """The study's figures as PNGs with their captions, for the report; PDFs are drawn beside them.

    A missing caption ends the run here, not hours later in the report.
    """
    pngs = []
    for name in names:
        caption = f"resources/captions/{study}/{name}.rst"
        if not (Path(workflow.basedir) / caption).is_file():
            raise WorkflowError(
                f"figure {name} of {study}: expected its caption in {caption}, found no file"
            )
        path = f"results/{study}/figures/{name}.png"
        png = report(path, caption=f"../{caption}", category=study)
        pngs.append(png)
    return pngs


def study_models(study):
    """The study's models with their entries in the config."""
    return {name: config["models"][name] for name in models_of(config, study)}


def figure_models(study):
    """What figures show of the study's models: their place in the config (colour), stand-in or not.

    The models of config.yaml come first. Snakemake puts those of --configfile before them, so that
    one more model would change the colours of all.
    """
    models = {**dict.fromkeys(DEFAULTS["models"]), **config["models"]}
    places = {name: place for place, name in enumerate(models)}
    return {
        name: {"place": places[name], "stand_in": entry["source"] == "train"}
        for name, entry in study_models(study).items()
    }


def study_outputs(wildcards):
    """The inputs of the target rules of all studies that are part of the run."""
    return [path for study in studies_of(config) for path in getattr(rules, study).input]


def trained_shape(wildcards):
    """The settings of the wildcard's model that training reads."""
    keys = ["hidden_size", "layers", "heads", "max_context", "steps"]
    return {key: config["models"][wildcards.model][key] for key in keys}


def model_gguf(wildcards):
    """The GGUF file that the wildcard's model is converted from, if it lies on this machine."""
    return gguf_file(config["models"][wildcards.model]) or []


def reasoner_data(wildcards):
    """Exported trajectories of the algorithms that the wildcard's reasoner learns."""
    algorithms = config["clrs"]["reasoners"][wildcards.reasoner]["algorithms"]
    return [f"results/clrs/data/{algorithm}.npz" for algorithm in algorithms]


def algorithm_mb(wildcards):
    """Memory of a job that reads the training sets of the wildcard's algorithm."""
    return 3000 + sets_mb([wildcards.algorithm], config["clrs"]["data"]["train"])


def reasoner_mb(wildcards):
    """Memory of a job that reads the training sets of the wildcard's reasoner."""
    algorithms = config["clrs"]["reasoners"][wildcards.reasoner]["algorithms"]
    return 3000 + sets_mb(algorithms, config["clrs"]["data"]["train"])


def text_mb(algorithms):
    """Memory of the training sets with text of these algorithms, those that `transnar` has."""
    paired = set(algorithms) & set(config["transnar"]["algorithms"])
    return sets_mb(paired, config["transnar"]["data"]["text_train"])


def export_mb(wildcards):
    """Memory of a job that draws all sets of the wildcard's algorithm: each twice, to join it."""
    own = [wildcards.algorithm]
    return 1000 + 2 * (sets_mb(own, config["clrs"]["data"]["train"]) + text_mb(own))


def pretrained_mb(wildcards):
    """Memory of a job that trains the wildcard's pretrained decoder on CLRS-Text."""
    text = text_mb(config["transnar"]["algorithms"])
    return 3000 + text + pretrained_train_mb(config, wildcards.model)


def pretrained_test_mb(wildcards):
    """Memory of a job that asks the wildcard's pretrained decoder."""
    return 3000 + pretrained_answers_mb(config, wildcards.model)


def perplexity_minutes(part):
    """Minutes for training the small decoders of a part, twice what one core takes."""
    own = config["perplexity"][part]
    work = own["steps"] * own["seeds"] * own["batch"] * own["layers"] * own["width"] ** 2
    return 240 + round(work / 5e8)  # docs/scaling.md: 1e9 of these per minute


def change_of_mind_world(wildcards):
    """The world of the questions for the wildcard's model."""
    asked = kinds.asked(config, "change_of_mind", wildcards.model)
    if asked["kind"] == kinds.EMBEDDED:
        return "embedded"
    return "cities-difficult" if asked["difficult"] else "cities"


def change_of_mind_questions(wildcards):
    """The question table of the wildcard's model."""
    return f"results/change_of_mind/questions/{change_of_mind_world(wildcards)}.parquet"


def change_of_mind_offset(wildcards):
    """How far foils lie from the truth, as a share of the latitude."""
    foils = config["change_of_mind"]["foils"]
    return foils["difficult" if wildcards.world == "cities-difficult" else "offset"]


def change_of_mind_files(wildcards):
    """The user's files that replace generated questions."""
    paths = config["change_of_mind"]["files"].values()
    return [] if wildcards.world == "embedded" else [path for path in paths if path]


def optimizers_settings(*keys):
    """Some settings of the study by their names."""
    return {key: config["optimizers"][key] for key in keys}


def optimizers_streams(wildcards):
    """The streams of tasks on which the wildcard's optimiser is tuned and trained."""
    only = config["optimizers"]["optimizers"][wildcards.optimizer].get("only")
    return [only] if only else list(config["optimizers"]["steps"])


def reply_tables(study, name):
    """Tables with a model's requests and replies, among those that the study's scores are from."""
    tables = []
    for path in map(Path, getattr(rules, f"{study}_scores").input):
        own = name in (path.stem, path.parent.name)
        if own and path.name == "trials.parquet":  # written beside the replies that they hold
            tables += [str(path.with_stem(kind)) for kind in ("requests", "responses")]
        elif own or path.name == "requests.parquet":
            tables.append(str(path))
    return tables


def claims_arguments(study):
    """What the script of a study's claims is given, beside the scores: settings, published numbers."""
    own = getattr(rules, f"{study}_claims")
    inputs = {
        name: str(value) if isinstance(value, str) else list(map(str, value))
        for name, value in own.input.items()
        if name != "scores"
    }
    return inputs | {name: value for name, value in own.params.items() if name != "code"}
