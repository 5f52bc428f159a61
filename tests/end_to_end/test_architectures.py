"""Every model study on models of several architectures, with real tokenizers and templates.

The models are random: what they reply is noise, and hardly any reply can be read. By default two
are asked; `FAULTLINES_ARCHITECTURES=all` asks six, three of them on vLLM, too.
"""

import json
import os
import subprocess

import pytest
import yaml

from tests.end_to_end import project
from tests.inference import real_tokenizers
from tests.inference.test_vllm_engine import PYTHON, TOLERANCE, with_vllm
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import request, table
from workflow_scripts.models.chat import assistant, user
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT

EVERY = os.environ.get("FAULTLINES_ARCHITECTURES") == "all"
THINKING = "qwen3"
TARGETS = {
    "softmax": ["models/{}.parquet"],
    "stochasticity": ["responses/{}.parquet", "sequential/{}.parquet"],
    "parallel_sequential": ["attempts/{}.parquet", "copying/{}.parquet"],
    "change_of_mind": ["answers/{}/trials.parquet"],
    "perplexity": ["models/{}.parquet"],
    "glasses": ["responses/{}.parquet", "models/{}.parquet"],
}
# By default Mistral (a window, no generation prompt) in all studies, and Gemma 3 (a multimodal
# wrapper, 262,144 tokens, three times the time) in two: a minute of CPU time in all.
CHOSEN = {"mistral": list(TARGETS), "gemma3": ["softmax", "perplexity"]}
if EVERY:
    CHOSEN = {key: list(TARGETS) for key in real_tokenizers.ARCHITECTURES}
PAIRS = [(name, study) for name, studies in CHOSEN.items() for study in studies]
OTHERS = ("optimizers", "cocycles", "transnar")
SETTINGS = {
    "softmax": {"models": {"numbers": [2, 8], "prompts": 2, "text_tokens": 64, "rows": 4}},
    "stochasticity": {
        "draws": 16,
        "decoding": {"temperatures": [1.0]},
        "external_maps": ["bucket"],
        "discrete": {"bernoulli_percent": [20]},
        "sequential": {"chains": 4, "rounds": 4},
        "batched": {"sizes": [4]},
        "generators": {"starts": 2},
        "code_tool": {"programs": 16},
    },
    "parallel_sequential": {
        "attempts": 2,
        "math": {"questions": 3},
        "code": {"questions": 2},
        "copying": {"questions": 2, "sequences": 2, "random_draws": 1},
    },
    "change_of_mind": {
        "accuracies": [50, 70, 90],
        "questions": dict.fromkeys(
            ("calibration", "factorial", "controls", "four_options", "transfer", "sanity"), 8
        ),
    },
    "perplexity": {"models": {"sizes": [2, 8], "strings": 2}},
    "glasses": {
        "gaps": {"lengths": [4, 6, 8, 10], "precisions": ["float32"]},
        "tasks": {"copy_lengths": [4], "order_lengths": [4], "count_lengths": [4]},
    },
}
# Short replies: random models never end one.
ASKED = {
    "stochasticity": {"reply_tokens": 8, "program_tokens": 32},
    "parallel_sequential": {"math_tokens": 8, "code_tokens": 8},
    "glasses": {"reply_tokens": 8},
}
THOUGHTS = {"thought_tokens": 256}


def entry(source, name):
    """The model's entry in the config."""
    asked = {study: dict(settings) for study, settings in ASKED.items()}
    if name == THINKING:
        asked = {study: settings | THOUGHTS for study, settings in asked.items()}
        asked["parallel_sequential"]["thinking"] = False
    return {"source": str(source), "asked": asked}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of the chosen models."""
    folder = tmp_path_factory.mktemp("architectures")
    return {name: real_tokenizers.save(folder / name, name) for name in CHOSEN}


@pytest.fixture(scope="module")
def results(models, tmp_path_factory):
    """The folder of results of all studies, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("run")
    config = {
        "models": {name: entry(source, name) for name, source in models.items()},
        "studies": {
            study: [name for name, studies in CHOSEN.items() if study in studies]
            for study in (*TARGETS, *OTHERS)
        },
        **SETTINGS,
    }
    (folder / "mine.yaml").write_text(yaml.dump(config))
    targets = [path for name, study in PAIRS for path in paths(study, name)]
    command = [*project.FORKED, "--cores", "1", "--keep-going"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder, *targets]
    command += ["--configfile", ROOT / "presets/smoke.yaml", folder / "mine.yaml"]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = folder / "snakemake.txt"
    with log.open("w") as stream:
        subprocess.run(command, env=variables, stdout=stream, stderr=stream, check=False)
    return folder, log.read_text()


def paths(study, name):
    found = [f"results/{study}/{path.format(name)}" for path in TARGETS[study]]
    if study == "stochasticity" and name == THINKING:
        found.append(f"results/{study}/reasoning/{name}.parquet")
    return found


@pytest.mark.long
@pytest.mark.xdist_group("architectures")
@pytest.mark.parametrize(("name", "study"), PAIRS)
def test_a_study_runs_on_an_architecture(name, study, results):
    folder, said = results
    for path in paths(study, name):
        assert (folder / path).is_file(), said[-6000:]
        assert len(tables.read(folder / path))


@pytest.mark.slow
@with_vllm
@pytest.mark.skipif(not EVERY, reason="set FAULTLINES_ARCHITECTURES=all")
@pytest.mark.parametrize("name", real_tokenizers.ON_VLLM)
def test_vllm_and_transformers_agree_on_an_architecture(name, tmp_path):
    source = real_tokenizers.save(tmp_path / name, name)
    spec = {"source": str(source), "dtype": "float32", "max_context": 512, "thinking": False}
    turns = [user("Draw a digit.")]
    settings = {"temperature": 0, "seed": 1}
    asked = table(
        [
            request("greedy", messages=turns, max_tokens=6, **settings),
            request("bare", prompt="One, two,", max_tokens=6, **settings),
            request(
                "options",
                messages=[*turns, assistant("It is ")],
                max_tokens=0,
                choices=["7", " 7", "42"],
                **settings,
            ),
        ]
    )
    found, rendered = {}, {}
    for kind in ("transformers", "vllm"):
        own = spec | {"engine": kind} | ({"python": PYTHON} if kind == "vllm" else {})
        engine = engines.load(name, own, str(source))
        found[kind] = runner.generate(asked, engine, tmp_path / kind)
        rendered[kind] = engine.rendered(asked.to_dict("records"))
        assert stored(tmp_path / kind) == rendered[kind]
        if kind == "vllm":
            engine.close()
    assert rendered["vllm"] == rendered["transformers"]
    ours, theirs = found["transformers"], found["vllm"]
    assert ours["text"].tolist() == theirs["text"].tolist()
    ours, theirs = (json.loads(each["choice_logprobs"].iloc[-1]) for each in (ours, theirs))
    assert theirs == pytest.approx(ours, abs=TOLERANCE)


def stored(folder):
    lines = [line for shard in folder.glob("*.jsonl") for line in shard.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    return {each["request_id"].partition("/")[0]: each["rendered"] for each in records}
