"""The commits that hub models with `revision: latest` are locked to.

Rule `models_fetch` resolves each once and writes it to `models.lock.yaml` in the run's folder.
Later runs read that file, and none resolves again: a model is renewed by deleting its line. It
is meant to be committed beside the config, and the archive holds it.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.shared import files
from workflow_scripts.shared.config import ConfigError, read_yaml

LATEST = "latest"
LOCK = Path("models.lock.yaml")
FREE = {"models_fetch", "publish_decidable", "datasets_images", "datasets_questions", "decidable"}
COMMIT = re.compile("[0-9a-f]{40}")
HEAD = """\
# The commits of hub models with `revision: latest`, written by `snakemake models_fetch`.
# Delete a line and run it again to renew a model.
"""

Config = dict[str, Any]


def read(path: Path = LOCK) -> dict[str, str]:
    """Hub id -> commit; empty without a lock file. Raises `ConfigError` for anything else."""
    if not path.exists():
        return {}
    locked = read_yaml(path)
    for source, commit in locked.items():
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise ConfigError(
                f"{path}: {source}: found {commit!r}, expected a commit of 40 hex digits; delete "
                "the line and run `snakemake models_fetch`"
            )
    return locked


def write(locked: dict[str, str], path: Path = LOCK) -> None:
    """Write the commit of each hub id, whole or not at all."""
    files.write_text(path, HEAD + yaml.safe_dump(locked, sort_keys=True))


def of_hub(config: Config) -> Iterator[tuple[str, Config]]:
    """The name and the entry of everything that has a revision: models, and the embedder."""
    for name, spec in config["models"].items():
        if "revision" in spec:
            yield name, spec
    embedder = config["parallel_sequential"]["embedder"]
    if embedder and "revision" in embedder:
        yield "parallel_sequential.embedder", embedder


def apply(config: Config, locked: dict[str, str]) -> list[str]:
    """Put the locked commits into the config; returns the names that the lock does not have."""
    missing = []
    for name, spec in of_hub(config):
        if spec["revision"] == LATEST:
            if spec["source"] in locked:
                spec["revision"] = locked[spec["source"]]
            else:
                missing.append(name)
    return missing


def refuse(missing: list[str], rules: Iterable[str]) -> None:
    """Refuse to run jobs of these rules while models are not locked, but those that load none.

    Raises `ConfigError`.
    """
    if missing and set(rules) - FREE:
        raise ConfigError(
            f"{', '.join(missing)}: revision {LATEST} is not locked to a commit; run `snakemake "
            f"models_fetch` with the same config, which writes {LOCK}, then run this again"
        )
