"""Engines vllm and openai through the real rules."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.inference import hostile
from tests.inference.test_openai_engine import KEY
from tests.inference.test_vllm_engine import PYTHON, agree, mixed, with_vllm
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import table
from workflow_scripts.shared import schemas, tables
from workflow_scripts.shared.fingerprint import ROOT

COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1"]
HEX = "0123456789abcdef0123456789abcdef01234567"


def run(folder, difference, *arguments, command=COMMAND, **variables):
    """Snakemake at smoke scale with `difference` in the config."""
    (folder / "mine.yaml").write_text(yaml.dump(difference))
    command = [*command, "--directory", folder, *arguments]
    command += ["--configfile", ROOT / "presets/smoke.yaml", folder / "mine.yaml"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def responses(folder, model):
    return tables.read(
        folder / f"results/stochasticity/responses/{model}.parquet", schemas.RESPONSES
    )


@pytest.mark.slow
def test_a_served_model_goes_through_the_rules_and_its_key_stays_outside(tmp_path):
    """The server repeats the key in its replies; no file of the run may hold it."""

    def fault(number, body):
        if number % 5 == 0:
            return hostile.status(500, f"out of memory; the key was {KEY}")
        if number % 2:
            message = {"role": "assistant", "content": f"7 {KEY}"}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            return hostile.changed(choices=[choice])
        return None

    target = "results/stochasticity/responses/served.parquet"
    with hostile.serving(fault) as server:
        settings = {"url": server.url, "key_variable": "MODEL_KEY", "requests_per_min": 1.0e6}
        settings |= {"limits": {"requests": 100}, "longest_wait_s": 0.1}
        served = {"source": hostile.MODEL, "engine": "openai", "server": settings}
        config = {"models": {"served": served}, "studies": {"stochasticity": ["served"]}}
        config["stochasticity"] = {
            "draws": 16,
            "sequential": {"chains": 4, "rounds": 4},
            "decoding": {"recommended": None},
        }

        stopped = run(tmp_path, config, target, MODEL_KEY=KEY)
        said = " ".join((stopped.stdout + stopped.stderr).split())
        assert stopped.returncode
        assert "server.limits.requests is 100" in said
        assert len(server.asked) == 100
        assert not (tmp_path / target).exists()

        settings["limits"] = {"requests": 100000}
        done = run(tmp_path, config, target, MODEL_KEY=KEY)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {headers["Authorization"] for *_, headers in server.asked} == {f"Bearer {KEY}"}
        found = responses(tmp_path, "served")
        assert len(server.answered) <= len(found) <= len(server.asked)
        probe = tmp_path / "results/models/served/probe.json"
        assert "logprobs" in json.loads(probe.read_text())["facts"]
    assert found["text"].str.contains("[key]", regex=False).any()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    assert any(".snakemake" in path.parts for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    for result in (stopped, done):
        assert KEY not in result.stdout + result.stderr


@with_vllm
@pytest.mark.slow
def test_an_embedded_model_goes_through_the_rules_on_vllm(tmp_path, monkeypatch):
    """The weights that the workflow trained, once on vLLM and once on transformers."""
    checkpoint = tmp_path / "results/models/embedded-s/checkpoint"
    trained = run(tmp_path, {}, "results/models/embedded-s/checkpoint/model.safetensors")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    spec = {"source": str(checkpoint), "dtype": "float32", "max_context": 256}
    fast = spec | {"engine": "vllm", "python": PYTHON}
    config = {
        "models": {"fast": fast, "same": spec},
        "studies": {"stochasticity": ["fast", "same"]},
    }
    targets = [
        f"results/stochasticity/{kind}.parquet"
        for kind in ("responses/fast", "responses/same", "sequential/fast")
    ]
    done = run(tmp_path, config, *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    found, other = responses(tmp_path, "fast"), responses(tmp_path, "same")
    assert set(found["engine"]) == {"vllm"}
    keys = ["request_id", "sample", "prompt_tokens"]
    assert found[keys].equals(other[keys])

    monkeypatch.chdir(tmp_path)
    greedy = {}
    for name, settings in config["models"].items():
        engine = engines.load(name, settings, str(checkpoint))
        greedy[name] = runner.generate(table(mixed()), engine, tmp_path / name)
    assert greedy["fast"]["text"].equals(greedy["same"]["text"])
    assert agree(greedy["same"], greedy["fast"]) > 100
    assert greedy["same"]["text"].str.len().sum() > 100


ENVIRONMENTS = """
import sys
from snakemake.cli import main
from snakemake.dag import DAG

def environments(dag):
    for job in dag.jobs:
        if job.conda_env_spec:
            print("ENV", job.rule.name, job.wildcards.get("model"), job.conda_env_spec.file)
    return ""

DAG.rule_dot = environments
main(sys.argv[1:])
"""


def test_the_engine_selects_the_environment_of_its_jobs(tmp_path):
    hub = {"source": "owner/name", "revision": HEX}
    models = {"fast": hub | {"engine": "vllm"}, "slow": hub}
    config = {"models": models, "studies": {"stochasticity": ["fast", "slow"]}}
    command = [sys.executable, "-c", ENVIRONMENTS, *COMMAND[3:]]
    done = run(tmp_path, config, "stochasticity", "--rulegraph", command=command)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("ENV")]
    found = {(rule, model): os.path.basename(path) for _, rule, model, path in lines}
    for rule in ("inference_generate", "stochasticity_sequential"):
        assert found[rule, "fast"] == "vllm.yaml"
        assert found[rule, "slow"] == "models.yaml"
    assert found["stochasticity_scores", "None"] == "analysis.yaml"
