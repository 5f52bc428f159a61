"""Sets for training, validation and testing are drawn apart."""

import numpy as np

from workflow_scripts.clrs import export, sampling, size


def test_validation_shares_no_sample_with_training_or_testing():
    drawn = {
        split: export.trajectories("bfs", split, 16, 20, seed=1)[1]["input/A"]
        for split in ("train", "valid", "test")
    }
    keys = {split: {sample.tobytes() for sample in found} for split, found in drawn.items()}
    assert all(len(found) == 20 for found in keys.values())
    assert not keys["valid"] & keys["train"]
    assert not keys["valid"] & keys["test"]


def test_the_test_set_is_the_packages_and_validation_depends_on_the_seed():
    test = [export.trajectories("bfs", "test", 16, 4, seed)[1]["input/A"] for seed in (1, 2)]
    valid = [export.trajectories("bfs", "valid", 16, 4, seed)[1]["input/A"] for seed in (1, 2)]
    assert np.array_equal(*test)
    assert not np.array_equal(*valid)


def test_algorithms_with_one_output_per_sample_have_more_samples_outside_training():
    factor = sampling.multiplier("minimum")
    counts = {
        split: len(export.trajectories("minimum", split, 4, 2, seed=1)[1]["lengths"])
        for split in ("train", "valid", "test")
    }
    assert counts == {"train": 2, "valid": 2 * factor, "test": 2 * factor}


def test_the_factors_that_prices_use_are_the_packages():
    assert {name: size.SAMPLES.get(name, 1) for name in size.STEPS} == {
        name: sampling.multiplier(name) for name in size.STEPS
    }
    assert set(size.SAMPLES) <= set(size.STEPS)
