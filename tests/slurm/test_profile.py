"""The shipped profile, compared with the rules and with the plugin's sbatch calls."""

import re
from types import SimpleNamespace

import pytest
import yaml
from snakemake.resources import Resources

from workflow_scripts.shared.fingerprint import ROOT

plugin = pytest.importorskip("snakemake_executor_plugin_slurm")
from snakemake_executor_plugin_slurm.submit_string import get_submit_command  # noqa: E402
from snakemake_executor_plugin_slurm.utils import set_gres_string  # noqa: E402

TEXT = (ROOT / "profiles/slurm/config.yaml").read_text()
PROFILE = yaml.safe_load(TEXT)
DEFAULT = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
RULES = {}  # name -> its text
for file in sorted((ROOT / "rules").glob("*.smk")):
    parts = re.split(r"^rule (\w+):$", file.read_text(), flags=re.MULTILINE)[1:]
    RULES |= dict(zip(parts[::2], parts[1::2], strict=True))
JOBS = {name: text for name, text in RULES.items() if re.search(r"^    script:", text, re.M)}


def test_the_rules_that_may_use_a_gpu_are_those_that_ask_for_one():
    asking = {name for name, text in JOBS.items() if re.search(r"^        gpu=", text, re.M)}
    assert set(PROFILE["set-resources"]) == asking


def test_memory_and_time_of_every_job_grow_on_retry():
    for name, text in JOBS.items():
        for resource in ("mem_mb", "runtime"):
            assert re.search(rf"^        {resource}=growing\(", text, re.M), f"{name}: {resource}"


def test_retries_stand_in_the_profile_only():
    assert PROFILE["retries"] > 0
    assert not [name for name, text in RULES.items() if re.search(r"^    retries:", text, re.M)]


def test_groups_hold_rules_of_this_workflow_that_are_short():
    for name in PROFILE["groups"]:
        minutes = re.search(r"runtime=growing\((\d+)\)", JOBS[name])
        assert int(minutes[1]) <= 60


def test_every_study_has_its_group():
    ends = {name for name in JOBS if name.endswith(("_scores", "_claims", "_figures"))}
    assert ends <= set(PROFILE["groups"])


def test_it_leaves_out_nothing_of_the_default_profile_that_decides_results():
    for key in ("rerun-triggers", "rerun-incomplete", "keep-going"):
        assert PROFILE[key] == DEFAULT[key]


def sbatch(gpu: int, extra: dict) -> str:
    """The sbatch call for a job with the resources of an example."""
    given = {"mem_mb": 4000, "runtime": 30, "gpu": gpu} | extra
    resources = Resources.from_mapping(given)
    values = {name: resource.value for name, resource in resources.items()}
    values["mem_mb"] = 4000
    job = SimpleNamespace(resources=_Attributes(values), threads=1, is_group=lambda: False)
    params = {"run_uuid": "u", "slurm_logfile": "l", "comment_str": "c", "workdir": "w"}
    params |= {"account": "-A lab", "partition": f"-p {extra.get('slurm_partition', 'standard')}"}
    settings = SimpleNamespace(requeue=False, no_requeue=True, qos=None, reservation=None)
    return get_submit_command(job, params, settings) + set_gres_string(job)


class _Attributes(dict):
    __getattr__ = dict.__getitem__


EXAMPLES = [yaml.safe_load(found) for found in re.findall(r"# +models_train: &gpu (\{.*\})", TEXT)]


EXPECTED = [
    ["-p gpu", "--gpus=1"],
    ["--qos=gpu-short", "--gpus=1"],
    ["-p gpu", "--gpus=h200:1"],
    ["-p gpu", "--gres=gpu:h200:1"],
]


@pytest.mark.parametrize(("example", "expected"), list(zip(EXAMPLES, EXPECTED, strict=True)))
def test_the_examples_for_three_kinds_of_site_say_to_sbatch_what_they_mean(example, expected):
    call = sbatch(1, example)
    assert all(option in call for option in [*expected, "--mem 4000", "-t 30", "--no-requeue"])
    assert not ("--gpus" in call and "--gres" in call)


def test_without_gpus_in_the_config_no_job_asks_for_one():
    call = sbatch(0, PROFILE["set-resources"]["models_train"])
    assert "gpu" not in call
