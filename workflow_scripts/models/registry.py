"""Where the models of the config come from, and the files that they load from."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from workflow_scripts.shared.sources import is_gguf

Models = dict[str, dict[str, Any]]
# Files of a tokenizer's and of a checkpoint's folder. Rules declare files, not folders, so that
# Snakemake compares their content, whatever their time stamps are after a copy.
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "provenance.json")
CHECKPOINT = ("model.safetensors", "config.json", "generation_config.json", *TOKENIZER)
INSIDE = "transformers"  # the default engine, and the only one with access to a model's internals
CONVERTED = tuple(file for file in CHECKPOINT if file != "chat_template.jinja")  # base models: none


def studies_of(config: dict[str, Any]) -> list[str]:
    """Names of the studies that are part of the run; `studies.<study>: null` leaves one out."""
    return [study for study, models in config["studies"].items() if models is not None]


def left_out(config: dict[str, Any]) -> list[str]:
    """Names of the studies that are not part of the run."""
    return [study for study, models in config["studies"].items() if models is None]


def models_of(config: dict[str, Any], study: str) -> list[str]:
    """Names of the models that a study runs on, in the config's order; none if it is left out."""
    return config["studies"][study] or []


def studies_with(config: dict[str, Any], name: str) -> list[str]:
    """The studies of the run that list a model."""
    return [study for study in studies_of(config) if name in models_of(config, study)]


def checkpoint(models: Models, name: str) -> str:
    """Path or hub id that the model loads from, or its name on its server."""
    spec = models[name]
    if spec["source"] == "train":
        return f"results/models/{name}/checkpoint"
    if is_gguf(spec):
        return f"results/models/{name}/converted"
    return spec["source"]


def converted(models: Models) -> dict[str, dict[str, Any]]:
    """The models that are converted from a GGUF file, with their entries."""
    return {name: spec for name, spec in models.items() if is_gguf(spec)}


def probe_file(name: str) -> str:
    """What the server of a model was found to do."""
    return f"results/models/{name}/probe.json"


def served(models: Models, names: Iterable[str]) -> list[str]:
    """Those of the models that are on a server."""
    return [name for name in names if models[name].get("engine") == "openai"]


def local_files(models: Models, name: str) -> list[str]:
    """Paths that must exist before the model loads: files of a checkpoint, a folder, a probe."""
    if served(models, [name]):
        return [probe_file(name)]
    path = checkpoint(models, name)
    if models[name]["source"] == "train":
        return [f"{path}/{file}" for file in CHECKPOINT]
    if is_gguf(models[name]):
        return [f"{path}/{file}" for file in CONVERTED]
    return [path] if os.path.isdir(path) else []


def embedded(models: Models) -> list[str]:
    """Names of the models that the workflow trains itself."""
    return [name for name, spec in models.items() if spec["source"] == "train"]


def from_hub(entries: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Source and revision of each entry that is on the hub, by its name in the config."""
    return {
        name: {"source": spec["source"], "revision": spec["revision"]}
        for name, spec in entries
        if "revision" in spec and not os.path.isdir(spec["source"])
    }


def shown_inside(models: Models, names: Iterable[str]) -> list[str]:
    """Those of the models whose attention and hidden states their engine shows."""
    return [name for name in names if models[name].get("engine", INSIDE) == INSIDE]


def inside_problems(config: dict[str, Any], study: str, what: str) -> Iterator[str]:
    """One line per model of a study whose engine gives no access to `what` inside the model."""
    names = models_of(config, study)
    shown = shown_inside(config["models"], names)
    for name in names:
        if name not in shown:
            yield (
                f"studies.{study}: {name!r} runs on engine {config['models'][name]['engine']}; the "
                f"study reads {what}, which only engine {INSIDE} shows"
            )
