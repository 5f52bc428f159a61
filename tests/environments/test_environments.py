"""Each environment suffices for every rule that names it: nothing else can be imported.

Building them takes minutes and gigabytes, so the tests run on request: `make test-envs`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.end_to_end import project
from tests.environments import isolated
from workflow_scripts.shared.files import content_hash
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("environments"),
    pytest.mark.skipif(not os.environ.get("FAULTLINES_ENVS"), reason="run by: make test-envs"),
]
# That of vLLM needs a GPU; without one, see `make test-vllm`.
NAMES = [path.stem for path in sorted((ROOT / "envs").glob("*.yaml")) if path.stem != "vllm"]
# Rules for models that can reason, write code or come from a hub; the smoke run has none.
RARE = [f"results/stochasticity/{what}/embedded-s.parquet" for what in ("reasoning", "code_tool")]
RARE += ["results/models/fetched.json"]
MODEL_ENVIRONMENT = "models"  # of embedded models, where a rule asks `model_environment`


def environment_of_rules():
    """The environment that each rule names, by rule."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text(), re.M):
            named = re.search(r'conda:\s*(?:"\.\./envs/(\w+)\.yaml"|(model_environment))', body)
            if named:
                found[rule] = named[1] or MODEL_ENVIRONMENT
    return found


def build(name, folder):
    """Python of a fresh environment with the packages that the file pins, and their
    dependencies."""
    text = (ROOT / "envs" / f"{name}.yaml").read_text()
    lock = ROOT / "constraints.txt"
    place = folder / f"{name}-{content_hash([text, lock.read_text(), sys.version])[:12]}"
    if not (place / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pins = []
        for entry in yaml.safe_load(text)["dependencies"]:
            for pin in entry["pip"] if isinstance(entry, dict) else [entry]:
                package, version = re.split("==?", pin)
                if package != "python":
                    pins.append(f"{package}=={version}")
        # Dependencies have the locked versions, as in a solved environment.
        command = [place / "bin/python", "-m", "pip", "install", "--quiet", "--constraint", lock]
        subprocess.run([*map(str, command), *pins], check=True)
        (place / "done").touch()
    return str(place / "bin" / "python")


def run(folder, of, *targets):
    """Rules that finished, as `environment rule`, and Snakemake's output."""
    place = Path(os.environ["FAULTLINES_ENVS"]).resolve()
    done = folder / "done.txt"
    done.touch()
    python = {name: build(name, place) for name in sorted(set(of.values()))}
    notes = {"project": str(folder), "log": str(done), "of": of, "python": python}
    command = [sys.executable, isolated.__file__, "--cores", "1", "--keep-going", *targets]
    command += ["--configfile", "presets/smoke.yaml"]
    environment = os.environ | {isolated.NOTES: json.dumps(notes)}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return set(done.read_text().splitlines()), finished.stdout + finished.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The whole workflow, each rule in its environment."""
    folder = project.copy(tmp_path_factory.mktemp("environments"))
    return run(folder, environment_of_rules(), "all", "archive", *RARE)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_that_names_the_environment_runs_in_it(ran, name):
    done, output = ran
    expected = {f"{name} {rule}" for rule, named in environment_of_rules().items() if named == name}
    missing = sorted(expected - done)
    said = re.findall(r"^(?:\w+: )?\w*Error: .*$", output, re.MULTILINE)
    assert not missing, "\n".join([f"failed or not reached: {missing}", *said[:20]])


def test_a_rule_whose_environment_lacks_a_package_fails_by_name(tmp_path):
    """The tokenizer's rule in an environment without `tokenizers`, which this process has."""
    of = dict.fromkeys(environment_of_rules(), "analysis")
    done, output = run(
        project.copy(tmp_path / "tree"), of, "results/models/tokenizer/tokenizer.json"
    )
    assert done == {"analysis models_corpus"}
    assert "Error in rule models_tokenizer" in output
    assert re.search(r"ModuleNotFoundError: No module named 'to(rch|kenizers)'", output)
