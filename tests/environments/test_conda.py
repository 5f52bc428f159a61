"""Snakemake's `--sdm conda` creates each environment, and rules give the same bytes in it.

Run if conda is on the PATH. Conda's packages come from a channel built here (`channel.py`), pip's
from the wheels behind that channel. Snakemake runs in an environment with nothing else, so that a
package missing from a rule's environment is not found elsewhere.
"""

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.end_to_end import project
from tests.environments import channel, witness
from tests.environments.test_environments import NAMES
from tests.test_imports import MODULES, imported
from workflow_scripts.publish import packing, replay
from workflow_scripts.shared.files import content_hash
from workflow_scripts.shared.fingerprint import ROOT

ENVIRONMENTS = [ROOT / "envs" / f"{name}.yaml" for name in NAMES]
PYTHONS = {channel.pins(path)[0]["python"] for path in ENVIRONMENTS}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("environments"),
    pytest.mark.skipif(not os.environ.get("FAULTLINES_ENVS"), reason="run by: make test-envs"),
    pytest.mark.skipif(
        not shutil.which("conda"),
        reason="no conda on the PATH: test_environments.py tests the environments, created by pip",
    ),
    pytest.mark.skipif(
        {channel.VERSION} != PYTHONS or not channel.platform(),
        reason=f"a channel needs Python {', '.join(PYTHONS)} on Linux, other than Debian's own",
    ),
]
# The cheapest targets that use every environment: one study on one model, and one export.
FEW = "studies: {change_of_mind: [embedded-s]}\n"
STUDY = "results/change_of_mind/claims.json"
EXPORT = "results/clrs/data/bfs.npz"  # holds its provenance as one of its arrays
CURVE = "results/models/embedded-s/learning_curve.parquet"  # tells CPU times
TARGETS = [STUDY, EXPORT]
SCORECARD = ["--allowed-rules", "publish_scorecard", "--", "results/scorecard.md"]
COVERED = {
    "analysis": {"models_corpus", "change_of_mind_questions", "change_of_mind_answerers",
                 "change_of_mind_scores", "change_of_mind_claims"},
    "models": {"models_tokenizer", "models_train", "change_of_mind_ask"},
    "bayes": {"change_of_mind_regressions"},
    "clrs": {"clrs_export"},
    "publish": {"publish_scorecard"},
}  # fmt: skip


def fresh(folder):
    tree = project.copy(folder)
    (tree / "few.yaml").write_text(FEW)
    return tree


def lean_snakemake(folder):
    """Python of an environment with Snakemake and none of our other packages."""
    python = folder / "snakemake" / "bin" / "python"
    if not (folder / "snakemake" / "done").exists():
        lock = ROOT / "constraints.txt"
        pin = re.search(r"^snakemake==.+$", lock.read_text(), re.MULTILINE)[0]
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "snakemake"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", lock, pin]
        subprocess.run(list(map(str, install)), check=True)
        (folder / "snakemake" / "done").touch()
    return str(python)


class Conda:
    """A folder with a channel, and Snakemake configured to create its environments from it."""

    def __init__(self, folder):
        texts = [path.read_text() for path in [*ENVIRONMENTS, ROOT / "constraints.txt"]]
        made_by = Path(channel.__file__).read_text()
        self.place = folder / f"conda-{content_hash([*texts, made_by, sys.version])[:12]}"
        self.prefix = self.place / "prefix"
        wheels = self.place / "wheels"
        if not (self.place / "done").exists():
            shutil.rmtree(self.place, ignore_errors=True)
            channel.build_wheels(ENVIRONMENTS, wheels)
            channel.make(ENVIRONMENTS, wheels, self.place)
            (self.place / "done").touch()
        settings = {
            "custom_channels": {channel.NAME: self.place.as_uri()},
            "channels": [channel.NAME],
            "default_channels": [],
            "channel_priority": "strict",
            "pkgs_dirs": [str(self.place / "packages")],
        }
        (self.place / "condarc.yaml").write_text(yaml.safe_dump(settings))
        self.python = lean_snakemake(folder)
        self.environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.environment |= {
            "CONDARC": str(self.place / "condarc.yaml"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
        }

    def snakemake(self, tree, *arguments):
        """A call's exit status and all of its output."""
        return call(self.python, tree, self.environment, "--sdm", "conda",
                    "--conda-prefix", self.prefix, *arguments)  # fmt: skip

    def made(self):
        """The folder of each environment that Snakemake has created, by name."""
        names = {path.read_text(): path.stem for path in ENVIRONMENTS}
        return {
            names[file.read_text()]: file.with_suffix("") for file in self.prefix.glob("*.yaml")
        }


def call(python, tree, environment, *arguments):
    command = [python, "-m", "snakemake", "--configfile", "presets/smoke.yaml", "few.yaml"]
    command += ["--cores", "1", *arguments]
    done = subprocess.run(
        list(map(str, command)), cwd=tree, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def run_few(snakemake, tree):
    """One study and one export, then a scorecard in which that study's claims replace all
    others."""
    status, output = snakemake(tree, *TARGETS)
    assert status == 0, output
    for study in yaml.safe_load((tree / "config.yaml").read_text())["studies"]:
        place = tree / "results" / study / "claims.json"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / STUDY, place)
    status, output = snakemake(tree, *SCORECARD)
    assert status == 0, output
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted((tree / "results").rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def conda():
    return Conda(Path(os.environ["FAULTLINES_ENVS"]).resolve())


@pytest.fixture(scope="module")
def made(conda, tmp_path_factory):
    """The environments, created as on a login node: all of them, before anything runs."""
    tree = fresh(tmp_path_factory.mktemp("making") / "tree")
    status, output = conda.snakemake(tree, "--conda-create-envs-only")
    assert status == 0, output
    assert not (tree / "results").exists()
    return conda.made()


@pytest.fixture(scope="module")
def ran(conda, made, tmp_path_factory):
    """Results computed with conda, and the notes of its interpreters."""
    for folder in made.values():
        site = folder / channel.SITE
        shutil.copy(witness.__file__, site / "witness.py")
        (site / "witness.pth").write_text("import witness\n")
    log = tmp_path_factory.mktemp("noted") / "witness.jsonl"
    conda.environment[witness.LOG] = str(log)
    results = run_few(conda.snakemake, fresh(tmp_path_factory.mktemp("conda") / "tree"))
    return results, [json.loads(line) for line in log.read_text().splitlines()]


def test_snakemake_makes_every_environment_with_conda(made):
    assert set(made) == set(NAMES)
    for name, folder in made.items():
        of_conda, of_pip = channel.pins(ROOT / "envs" / f"{name}.yaml")
        records = map(json.loads, map(Path.read_text, (folder / "conda-meta").glob("*.json")))
        found = {record["name"]: record["version"] for record in records}
        assert found.pop("python").startswith(of_conda.pop("python"))
        assert found.items() >= of_conda.items()
        listed = subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "list", "--format", "freeze"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        pairs = (line.split("==") for line in listed.stdout.split())
        installed = {canonicalize_name(each): version for each, version in pairs}
        # A build of torch may have a label after its version.
        installed["torch"] = installed.get("torch", "").partition("+")[0]
        assert installed.items() >= {canonicalize_name(k): v for k, v in of_pip.items()}.items()


def test_each_rule_runs_in_its_environment_of_conda(made, ran):
    """All packages that our code imports are the environment's, except for Snakemake's view of a
    job.

    Other packages import some optional ones from Snakemake's environment.
    """
    _, noted = ran
    used = {
        name: {note["rule"] for note in noted if note["prefix"] == str(folder)}
        for name, folder in made.items()
    }
    assert used == COVERED
    names = {name for path in MODULES for name in imported(ast.walk(ast.parse(path.read_text())))}
    ours = {name.partition(".")[0] for name in names} - {"snakemake"}
    assert {"yaml", "jsonschema", "numpy"} <= ours
    assert [note for note in noted if ours.intersection(note["foreign"])] == []


def other_bytes(results, others):
    """Results that differ other than in the versions noted in them (installed packages are
    noted)."""
    assert results.keys() == others.keys()
    members = {name: packing.Member(content, 0) for name, content in others.items()}
    compared = replay.compare(results, members, tolerance=0.0)
    return [each.path for each in compared if not each.equal]


def arrays(content):
    loaded = np.load(io.BytesIO(content))
    return {name: loaded[name].tobytes() for name in loaded.files if name != "provenance"}


def test_results_with_conda_have_the_bytes_of_those_without(ran, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def snakemake(tree, *arguments):
        return call(sys.executable, tree, environment, *arguments)

    results = run_few(snakemake, fresh(tmp_path / "tree"))
    assert set(other_bytes(results, ran[0])) <= {EXPORT, CURVE}
    assert arrays(results[EXPORT]) == arrays(ran[0][EXPORT])
    here, there = (pd.read_parquet(io.BytesIO(each[CURVE])) for each in (results, ran[0]))
    assert here.drop(columns="cpu_s").equals(there.drop(columns="cpu_s"))


def test_a_rule_whose_environment_of_conda_lacks_a_package_fails_by_name(conda, made, tmp_path):
    """The tokenizer's rule in the environment of tables, which has no `tokenizers`."""
    tree = fresh(tmp_path / "tree")
    rules = tree / "rules" / "models.smk"
    rules.write_text(rules.read_text().replace("envs/models.yaml", "envs/analysis.yaml"))
    status, output = conda.snakemake(tree, "results/models/tokenizer/tokenizer.json")
    assert status != 0
    assert conda.made() == made
    assert (tree / "results/models/corpus/train.parquet").exists()
    assert "Error in rule models_tokenizer" in output
    assert re.search(r"ModuleNotFoundError: No module named 'to(rch|kenizers)'", output)
