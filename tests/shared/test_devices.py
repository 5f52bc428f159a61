"""The GPUs of a job, with a fake `nvidia-smi`; no test needs a GPU."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
import torch

from tests.inference import tiny
from workflow_scripts.inference import engines
from workflow_scripts.shared import devices
from workflow_scripts.shared.fingerprint import ROOT, reached

TWO = """GPU 0: NVIDIA A (UUID: GPU-aaa-1)
GPU 1: NVIDIA B (UUID: GPU-bbb-2)"""
SPLIT = """GPU 0: NVIDIA A (UUID: GPU-aaa-1)
  MIG 1g.10gb     Device  0: (UUID: MIG-ccc-3)
  MIG 1g.10gb     Device  1: (UUID: MIG-ddd-4)"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose `nvidia-smi` lists these GPUs; its locks are in a folder of the test."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.delenv(devices.JOBS_PER_GPU, raising=False)
    monkeypatch.setattr(devices, "DEV", tmp_path)
    monkeypatch.setattr(devices, "POLL_S", 0.01)

    def listing(text: str) -> None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<END\n{text}\nEND\n")
        (tmp_path / "nvidia-smi").chmod(0o755)

    return listing


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        ({}, 0),
        ({"gpu": 0}, 0),
        ({"gpu": 2}, 2),
        ({"gpu": 0, "gres": "gpu:h200:4"}, 4),
        ({"gpu": 0, "gres": "gpu:A100"}, 1),
        ({"gres": "gpu:3"}, 3),
        ({"gres": "gpu"}, 1),
        ({"gres": "tmpfs:10"}, 0),
        ({"gpu": 0, "gres": "gpu:1g.10gb:2"}, 2),
    ],
)
def test_what_a_job_asks_for(resources, count):
    assert devices.asked(resources) == count


@pytest.mark.parametrize(
    ("flags", "gpus", "chosen"),
    [
        ("fpu avx512f avx512_bf16", "", "bfloat16"),
        ("fpu avx512f avx512_bf16\nvendor_id : AuthenticAMD", "", "bfloat16"),
        ("fpu avx512f avx512_bf16\nvendor_id : GenuineIntel", "", "float32"),
        ("fpu avx512_bf16 amx_bf16\nvendor_id : GenuineIntel", "", "bfloat16"),
        ("asimd bf16", "", "bfloat16"),
        ("fpu avx2 avx512f", "", "float32"),
        ("fpu avx2", TWO, "bfloat16"),
        (None, "", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_device_is_faster_in_it(
    machine, tmp_path, monkeypatch, flags, gpus, chosen
):
    machine(gpus)
    monkeypatch.setattr(devices, "CPU", tmp_path / "cpuinfo")
    if flags:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert devices.dtype("auto") == chosen
    assert devices.dtype("float16") == "float16"


def test_a_model_whose_dtype_is_auto_is_loaded_in_the_precision_of_its_device(
    machine, tmp_path, monkeypatch
):
    machine("")
    monkeypatch.setattr(devices, "CPU", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx2\n")
    checkpoint = str(tiny.save(tmp_path / "model", context=64))
    engine = engines.load("m", tiny.SPEC | {"dtype": "auto"}, checkpoint)
    assert engine.model.dtype is torch.float32
    assert engine.identity["dtype"] == engine.dtype == "float32"


@pytest.mark.parametrize(
    ("text", "allowed", "expected"),
    [
        (TWO, None, ["GPU-aaa-1", "GPU-bbb-2"]),
        (TWO, "1", ["GPU-bbb-2"]),
        (TWO, "GPU-b", ["GPU-bbb-2"]),
        (TWO, "1,0", ["GPU-bbb-2", "GPU-aaa-1"]),
        (TWO, "", []),
        (TWO, "-1", []),
        (SPLIT, None, ["MIG-ccc-3", "MIG-ddd-4"]),
        ("No devices were found", None, []),
    ],
)
def test_the_gpus_that_a_run_may_use(machine, monkeypatch, text, allowed, expected):
    machine(text)
    if allowed is not None:
        monkeypatch.setenv(devices.VISIBLE, allowed)
    assert devices.visible() == expected


def test_in_a_container_without_nvidia_smi_gpus_have_numbers(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "nvidia3").touch()
    (tmp_path / "nvidiactl").touch()
    assert devices.visible() == ["0"]


@pytest.mark.parametrize(("limit", "jobs"), [(0, "1"), (1, "1"), (2, "1"), (3, "2"), (5, "3")])
def test_jobs_share_a_gpu_only_where_the_run_allows_more_than_there_are(machine, limit, jobs):
    machine(TWO)
    devices.share(limit)
    assert os.environ.pop(devices.JOBS_PER_GPU) == jobs


def test_a_job_that_asks_for_none_sees_none(machine):
    machine(TWO)
    with devices.reserved(0):
        assert os.environ[devices.VISIBLE] == ""
    assert devices.VISIBLE not in os.environ


TWO_IDS = ["GPU-aaa-1", "GPU-bbb-2"]
HOLD = """
import sys
from workflow_scripts.shared import devices
with devices.reserved(int(sys.argv[1])) as gpus:
    print(*gpus, flush=True)
    sys.stdin.read()
"""


def start(count):
    command = [sys.executable, "-c", HOLD, str(count)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def test_jobs_get_gpus_of_their_own_and_wait_for_them(machine):
    machine(TWO)
    devices.share(2)
    first, second = start(1), start(1)
    assert sorted(p.stdout.readline().strip() for p in (first, second)) == TWO_IDS
    both = start(2)
    assert both.stderr.readline() == "waiting for 2 of 2 GPUs: other jobs have them\n"
    first.kill()  # however a job ends, its GPU is free
    second.communicate("")
    first.communicate()
    assert both.stdout.readline().split() == TWO_IDS
    both.communicate("")


def test_a_run_that_allows_it_has_two_jobs_on_a_gpu(machine):
    machine(TWO.splitlines()[0])
    devices.share(2)
    jobs = [start(1), start(1)]
    assert {each.stdout.readline().strip() for each in jobs} == {"GPU-aaa-1"}
    for each in jobs:
        each.communicate("")


def test_on_slurm_a_job_keeps_what_slurm_gave_it(machine, monkeypatch):
    machine(TWO)
    monkeypatch.setenv(devices.VISIBLE, "1")
    with devices.reserved(1):
        assert os.environ[devices.VISIBLE] == "1"
    with devices.reserved(0):
        assert os.environ[devices.VISIBLE] == ""


WORKFLOW = """
import sys
sys.path.insert(0, "{root}")
from workflow_scripts.shared import job, snakemake_internals
job.export_python_path()
snakemake_internals.limit_gpus(workflow)
onstart:
    snakemake_internals.share_gpus(workflow)
rule all:
    input: expand("{{n}}.txt", n=range(4))
rule work:
    output: "{{n}}.txt"
    log: "logs/{{n}}.log"
    resources: gpu=lambda wildcards: min(int(wildcards.n), 1)
    script: "work.py"
"""
SCRIPT = """
import os, time
from pathlib import Path
from workflow_scripts.shared import job
with job.running(snakemake):
    start = time.time()
    time.sleep(0.3)
    seen = os.environ["CUDA_VISIBLE_DEVICES"] or "none"
    Path(snakemake.output[0]).write_text(f"{seen} {start} {time.time()}")
"""


def test_a_run_starts_as_many_gpu_jobs_as_there_are_gpus(machine, tmp_path):
    machine(TWO.splitlines()[0])
    (tmp_path / "Snakefile").write_text(WORKFLOW.format(root=ROOT))
    (tmp_path / "work.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "snakemake", "--cores", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fields = [(tmp_path / f"{n}.txt").read_text().split() for n in range(4)]
    assert [each[0] for each in fields] == ["none"] + 3 * ["GPU-aaa-1"]
    times = sorted((float(start), float(end)) for _, start, end in fields[1:])
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    # Snakemake starts them one after the other: none waits for another's GPU.
    assert not [n for n in range(4) if "waiting" in (tmp_path / f"logs/{n}.log").read_text()]


# Scripts that import a module with CUDA for something else, and compute without.
ON_CPU = {
    "change_of_mind_answerers",
    "glasses_requests",
    "optimizers_scores",
    "publish_archive",
}


def test_every_rule_that_can_use_cuda_asks_for_gpus():
    using, asking = set(), set()
    for file in (ROOT / "rules").glob("*.smk"):
        parts = re.split(r"^rule (\w+):$", file.read_text(), flags=re.M)
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            script = re.search(r'"\.\./(workflow_scripts/\S+\.py)"', text)
            if script and any("devices.for_tensors()" in p.read_text() for p in reached(script[1])):
                using.add(name)
            if re.search(r"^        gpu=", text, re.M):
                asking.add(name)
    assert using - ON_CPU == asking
    assert using >= ON_CPU
