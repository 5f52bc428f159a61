"""A finished run of one tiny study with the real publishing rules, in its own repository."""

import os
import shutil
import subprocess
import sys

from workflow_scripts.shared.fingerprint import ROOT

# A user, a home and a key that occur in no other text, so that a search for them finds only leaks.
USER = "zaphodb"
KEY = "k3y-of-nobody-0123456789"

SNAKEFILE = """
import sys

sys.path.insert(0, str(workflow.basedir))

from workflow_scripts.models.registry import checkpoint, probe_file, served
from workflow_scripts.shared import filesystem, snakemake_internals, terminal_text
from workflow_scripts.shared.fingerprint import fingerprint
from workflow_scripts.shared.job import export_python_path, project_file

export_python_path()
terminal_text.tolerate()
snakemake_internals.run_anywhere()
filesystem.use_caches_at_hand()


onstart:
    filesystem.try_out("work")


configfile: "config.json"


rule tiny_simulate:
    input:
        given=project_file("resources/given.csv"),
    output:
        table="results/tiny/simulated.parquet",
        folder=directory("results/tiny/weights"),
    log:
        "logs/tiny_simulate/simulate.log",
    benchmark:
        "logs/benchmarks/tiny_simulate/simulate.tsv"
    params:
        code=fingerprint("workflow_scripts/tiny/simulate.py"),
        seed=config["seed"],
        shape={"width": config["width"], "depth": 2},
    script:
        "workflow_scripts/tiny/simulate.py"


rule tiny_claims:
    input:
        table="results/tiny/simulated.parquet",
    output:
        claims="results/tiny/claims.json",
        scores="results/tiny/scores.parquet",
        figure=report("results/tiny/figures/line.png", category="tiny"),
        pdf="results/tiny/figures/line.pdf",
    log:
        "logs/tiny_claims/claims.log",
    params:
        code=fingerprint("workflow_scripts/tiny/claims.py"),
    script:
        "workflow_scripts/tiny/claims.py"


rule tiny:
    input:
        rules.tiny_claims.output,


rule models:
    input:
        [],


def study_outputs(wildcards):
    return rules.tiny.input


def reply_tables(study, name):
    return []


include: "rules/publish_common.smk"
include: "rules/publish.smk"


rule all:
    default_target: True
    input:
        rules.report.input,
"""

SIMULATE = '''"""Random numbers, and a folder of weights."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.shared import job, provenance, tables

if __name__ == "__main__":
    with job.running(snakemake):
        print("working in", Path.cwd(), "for", os.environ.get("LOGNAME"), "at", Path.home())
        print("with", os.environ.get("TINY_API_KEY"))
        draws = np.random.default_rng(snakemake.params.seed).normal(size=1000)
        origin = provenance.of(snakemake)
        tables.write(pd.DataFrame({"draw": draws}), snakemake.output.table, provenance=origin)
        folder = Path(snakemake.output.folder)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(draws.tobytes())
'''

CLAIMS = '''"""One claim and one figure."""

import matplotlib.pyplot as plt

from workflow_scripts.shared import claims, figures, job, provenance, schemas, scores, tables
from workflow_scripts.shared.claims import Claim, Evidence, Measured, ModelEvidence, Region

if __name__ == "__main__":
    with job.running(snakemake):
        draws = tables.read(snakemake.input.table)["draw"]
        error = 2 * draws.std() / len(draws) ** 0.5
        mean = draws.mean()
        measured = [Measured(mean, mean - error, mean + error, 1000, Evidence.THEORY, "draws")]
        claim = Claim(
            id="T1", statement="The mean is near zero.", source="section 1", quantity="mean",
            region=Region(high=0.5), decided_by=frozenset({Evidence.THEORY}),
            test=lambda scores, evidence: measured,
        )
        origin = provenance.of(snakemake)
        row = scores.number("E1", "mean", mean, 1000, units="draws", model="theory", seed=None)
        tables.write(scores.table([[row]], []), snakemake.output.scores, schemas.SCORES, origin)
        evidence = ModelEvidence({}, "tiny")
        claims.write(snakemake.output.claims, [claim], None, evidence, origin)
        figures.use_style()
        figure, axes = plt.subplots()
        axes.plot(draws[:10])
        figures.save(figure, snakemake.output.figure)
'''

CONFIG = """{
  "scale": "test scale", "seed": 5, "width": 3, "studies": {"tiny": ["small"]},
  "models": {"small": {"source": "train"}}
}
"""


def environment(folder):
    """The environment of another user, with a home and a key; nothing of this process's own."""
    home = folder.parent / USER
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SOURCE_DATE_EPOCH")}
    return kept | {
        "LOGNAME": USER,
        "USER": USER,
        "HOME": str(home),
        "TINY_API_KEY": KEY,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def call(folder, *arguments, check=True, **more):
    """Standard output and error of a program run in the folder by that user."""
    done = subprocess.run(
        arguments, cwd=folder, env=environment(folder) | more, capture_output=True, text=True
    )
    text = done.stdout + done.stderr
    if check:
        logs = "".join(log.read_text() for log in folder.glob("logs/publish_*/*.log"))
        assert done.returncode == 0, text + logs
    return text


def snakemake(folder, *arguments, **more):
    return call(folder, sys.executable, "-m", "snakemake", "--cores", "1", *arguments, **more)


def git(folder, *arguments):
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    return call(folder, "git", *who, *arguments)


def make(folder):
    """The project, committed, in an empty folder."""
    for part in ("resources", "schemas", "profiles"):
        shutil.copytree(ROOT / part, folder / part)
    keep_out = shutil.ignore_patterns("__pycache__")
    for part in ("shared", "publish", "models", "inference"):
        target = folder / "workflow_scripts" / part
        shutil.copytree(ROOT / "workflow_scripts" / part, target, ignore=keep_out)
    (folder / "workflow_scripts" / "tiny").mkdir()
    (folder / "workflow_scripts" / "tiny" / "simulate.py").write_text(SIMULATE)
    (folder / "workflow_scripts" / "tiny" / "claims.py").write_text(CLAIMS)
    (folder / "rules").mkdir()
    for name in ("publish_common.smk", "publish.smk"):
        shutil.copy(ROOT / "rules" / name, folder / "rules")
    shutil.copytree(ROOT / "envs", folder / "envs")
    for name in ("CITATION.cff", "LICENSE", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "resources" / "given.csv").write_text("a,b\n1,2\n")
    (folder / "config.json").write_text(CONFIG)
    (folder / "Snakefile").write_text(SNAKEFILE)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")
    return folder
