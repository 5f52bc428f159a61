"""Two studies through llama.cpp's own server, which serves a tiny random model: draws, options of a
begun reply, and the tables and figures after them. `make test-servers` runs it."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.inference.test_real_servers import free_port, running
from tests.models.test_convert import vocabulary, write  # noqa: F401
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.xdist_group("llama.cpp")]
CONFIG = ROOT / "tests/end_to_end/served.yaml"


@pytest.fixture(scope="module")
def results(write, tmp_path_factory):  # noqa: F811
    """The folder of the finished run."""
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    serve = [sys.executable, "-m", "tests.inference.llamacpp_server", str(write(context=2048))]
    serve += [str(port), "4", "2048", "512"]
    command = [sys.executable, "-m", "tests.end_to_end.in_process", "--cores", "1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder, "scorecard"]
    command += ["--configfile", ROOT / "presets/smoke.yaml", CONFIG, folder / "url.yaml"]
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with running(serve, port, "/health", folder / "log", **variables) as url:
        server = {"url": url, "dialect": "llamacpp", "concurrency": 4, "requests_per_min": 600000}
        (folder / "url.yaml").write_text(yaml.safe_dump({"models": {"served": {"server": server}}}))
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=1200
        )
    said = done.stdout + done.stderr
    first = max(0, said.find("Error in rule") - 4000)
    assert done.returncode == 0, said[first : first + 6000]
    return folder / "results"


def test_the_scorecard_has_the_served_model(results):
    scorecard = tables.read(results / "scorecard.parquet")
    assert set(scorecard.loc[scorecard["model"] == "served", "study"]) == {
        "stochasticity",
        "change_of_mind",
    }


def test_the_recommended_top_k_was_asked(results):
    """Servers of other dialects are not asked that setting."""
    asked = tables.read(results / "stochasticity/requests/served.parquet")
    assert set(asked["top_k"]) == {0, 20}
    assert {2.0, 0.6} <= set(asked["temperature"])


def test_every_option_of_a_begun_reply_has_a_score(results):
    trials = tables.read(results / "change_of_mind/answers/served/responses.parquet")
    assert len(trials) > 100
    assert not trials["choice_logprobs"].str.contains("null").any()
    assert (trials["prompt_tokens"] > 50).all()
