"""Prices before anything ran: what the reference run took, in proportion to the work."""

import copy
import math

import pandas as pd
import pytest

from workflow_scripts.cocycles import asynchrony
from workflow_scripts.publish import pricing, workloads
from workflow_scripts.shared.config import merged
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Part


@pytest.fixture(scope="module")
def base():
    return merged([])


@pytest.fixture
def reference(monkeypatch):
    """A run in which every job took 360 s, 1,000 MB and 100 MB on disk."""
    jobs = [
        ("softmax_train", "retrieval/softmax"),
        ("optimizers_continual", "sgd"),
        ("cocycles_train", "l1/bfs"),
        ("clrs_export", "bfs"),
        ("softmax_claims", "claims"),
    ]
    table = pd.DataFrame(jobs, columns=["rule", "job"]).assign(
        cpu_s=360.0, peak_mb=1000.0, disk_mb=100.0
    )
    monkeypatch.setattr(pricing, "reference", lambda: table)


def price(rule, job, of, config, base, gpus=0):
    return pricing.price(rule, job, of, gpus, config, base)


def test_the_reference_config_costs_what_the_reference_run_took(reference, base):
    of = {"training": "retrieval", "normaliser": "softmax"}
    assert price("softmax_train", "retrieval/softmax", of, base, base) == (0.1, 1.0, 0.1)
    assert price("softmax_claims", "claims", {}, base, base) == (0.1, 1.0, 0.1)
    assert price("unknown", "unknown", {}, base, base) is None


def test_time_grows_with_steps_and_seeds_and_files_with_samples(reference, base):
    config = copy.deepcopy(base)
    config["softmax"]["retrieval"] |= {"steps": 20000, "seeds": 20}
    of = {"training": "retrieval", "normaliser": "softmax"}
    found = price("softmax_train", "retrieval/softmax", of, config, base)
    assert found.hours == pytest.approx(0.1 * 20 * 2)
    assert math.isnan(found.memory_gb)  # more work: what the job asks for
    config["clrs"]["data"]["train"]["samples"] *= 3
    found = price("clrs_export", "bfs", {"algorithm": "bfs"}, config, base)
    assert (found.hours, found.disk_gb) == pytest.approx((0.3, 0.3))


def test_an_algorithm_that_the_reference_run_lacks_costs_more_if_it_is_longer(reference, base):
    def hours(algorithm):
        of = {"processor": "l1", "algorithm": algorithm}
        return price("cocycles_train", f"l1/{algorithm}", of, base, base).hours

    # 13.65 times the message steps of breadth-first search, whose mean with two others is 1.14
    assert hours("bridges") / hours("bfs") == pytest.approx(13.65 * 3 / (1 + 1.24 + 1.18))


def test_tests_of_algorithms_with_one_output_per_sample_cost_more(reference, base, monkeypatch):
    row = {"rule": "cocycles_trained", "job": "bfs", "cpu_s": 360.0, "peak_mb": 1.0, "disk_mb": 1.0}
    monkeypatch.setattr(pricing, "reference", lambda: pd.DataFrame([row]))

    def hours(algorithm):
        return price("cocycles_trained", algorithm, {"algorithm": algorithm}, base, base).hours

    # As many steps as 1.18 of breadth-first search, of 4 x 64 trajectories and 7 runs of 8.
    assert hours("binary_search") / hours("bellman_ford") == pytest.approx(
        1.18 * (4 * 64 + 7 * 8) / (1.24 * (4 + 7 * 8))
    )


def test_a_trained_network_runs_with_each_freedom():
    assert len(asynchrony.KINDS) == pricing.FREEDOMS


def test_a_gpu_is_faster_and_mnist_slower_than_digits(reference, base):
    config = copy.deepcopy(base)
    config["optimizers"]["data"]["source"] = "data/mnist"
    of = {"optimizer": "sgd"}
    on_cpu = price("optimizers_continual", "sgd", of, config, base)
    on_gpu = price("optimizers_continual", "sgd", of, config, base, gpus=1)
    assert on_cpu.hours > 0.15
    assert on_cpu.hours / on_gpu.hours == pytest.approx(pricing.GPU_SPEED)


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("Qwen/Qwen3-0.6B", 0.6),
        ("google/gemma-3-27b-it", 27),
        ("allenai/OLMo-2-1124-7B-SFT", 7),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7),
        ("EleutherAI/pythia-70m", 0.07),
        ("owner/model", None),
    ],
)
def test_a_models_size_is_read_from_its_name(source, size):
    assert pricing.billions(source) == size


def test_a_models_time_is_two_operations_per_parameter_and_token():
    part = Part("rule", prompt_tokens=10**6, replies=10, reply_tokens=10**5)
    found = pricing.of_model(part, 8, "bfloat16", 1)
    read, written = 2 * 8e9 * 1e6 / (0.4 * 989e12), 2 * 8e9 * 1e5 / (0.05 * 989e12)
    assert found.hours == pytest.approx((read + written) / 3600)
    assert found.memory_gb == 8 * 2 + 2
    assert pricing.download_gb({"source": "Qwen/Qwen3-8B"}) == 8 * 2


@pytest.mark.parametrize("preset", ["smoke", "overnight", "gpu", "paper"])
def test_every_work_is_a_number_in_every_preset(base, preset):
    config = merged([ROOT / f"presets/{preset}.yaml"])
    of = {
        "training": "retrieval",
        "model": "embedded-s",
        "optimizer": "shampoo",
        "algorithm": "bfs",
        "reasoner": "bfs",
    }
    for rule, work in pricing.WORK.items():
        assert work(config, of) >= 0, rule
        assert work(base, of) > 0, rule


def test_the_costs_of_the_repository_are_whole():
    costs = pricing.reference()
    assert list(costs) == ["rule", "job", "cpu_s", "peak_mb", "disk_mb"]
    assert not costs.duplicated(["rule", "job"]).any()
    assert (costs[["cpu_s", "peak_mb"]] > 0).all(axis=None)


def test_questions_that_are_not_fetched_yet_are_counted_as_generated_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paper = merged([ROOT / "presets/paper.yaml"])
    counted = workloads.at_hand(paper)
    assert counted["parallel_sequential"]["math"] == {
        **paper["parallel_sequential"]["math"],
        "file": None,
    }
    assert counted["change_of_mind"]["files"]["transfer"] is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data/aime-2025.jsonl").touch()
    assert workloads.at_hand(paper)["parallel_sequential"]["math"]["file"] == "data/aime-2025.jsonl"
