"""The fits against known power laws, and the counts behind the estimate for the paper preset."""

import numpy as np
import pytest
import scaling
import scaling_fit
import scaling_paper
import scaling_work

SIZES = (100, 200, 400, 800, 1600)


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("fixed", [0.0, 0.7])
def test_a_known_power_is_found(p, fixed):
    costs = [fixed + 5.0 * (n / 1600) ** p for n in SIZES]
    fit = scaling_fit.power(SIZES, costs)
    assert fit.p == pytest.approx(p, abs=0.02)
    assert fit.a == pytest.approx(fixed, abs=0.02)
    assert fit.at(800) == pytest.approx(costs[3], rel=0.01)


def test_the_interval_covers_as_often_as_it_says():
    rng, hits = np.random.default_rng(5), 0
    for _ in range(100):
        costs = [(n / 1600) ** 1.3 * (1 + 0.03 * rng.standard_normal()) for n in SIZES]
        fit = scaling_fit.power(SIZES, costs)
        hits += fit.low <= 1.3 <= fit.high
    assert hits >= 85


@pytest.mark.long
def test_every_workload_runs_at_its_smallest_size(tmp_path, monkeypatch):
    """Nobody runs the benchmark for months, while the code that it measures goes on."""
    monkeypatch.chdir(tmp_path)
    scaling_work.make(tmp_path)
    for name, work in scaling_work.WORKLOADS.items():
        scaling._enter(tmp_path, name)
        work.prepare(min(work.sizes))()


def test_three_sizes_are_too_few():
    with pytest.raises(ValueError, match="3 sizes"):
        scaling_fit.power([1, 2, 3], [1.0, 2.0, 3.0])


def test_memory_has_the_slope_of_its_line():
    assert scaling_fit.slope([1, 2, 4, 8], [11.0, 12.0, 14.0, 18.0]) == pytest.approx(1.0)
    assert scaling_fit.slope([1, 2, 4, 8], [12.0, 15.0, 11.0, 13.0]) is None


def fit(p, half):
    return scaling_fit.Fit(0.0, 2.0, p, p - half, p + half, 100.0)


def test_beyond_what_was_measured_cost_goes_on_in_proportion_or_as_fitted():
    linear = scaling_paper.extrapolated(fit(1.05, 0.1))
    assert linear(50) == pytest.approx(2.0 * 0.5**1.05)
    assert linear(1000) == pytest.approx(20.0)
    quadratic = scaling_paper.extrapolated(fit(2.0, 0.1))
    assert quadratic(1000) == pytest.approx(200.0)


def test_presets_change_what_they_name_and_nothing_else():
    default = scaling_paper.config_of()
    paper = scaling_paper.config_of("presets/paper.yaml")
    assert (default["scale"], paper["scale"]) == ("default", "paper")
    assert paper["softmax"]["retrieval"]["steps"] == 100000
    assert paper["softmax"]["sizes"] == default["softmax"]["sizes"]


def test_every_workload_has_an_estimate_and_four_sizes():
    assert set(scaling_work.WORKLOADS) == set(scaling_paper.ESTIMATES)
    assert all(len(work.sizes) >= 4 for work in scaling_work.WORKLOADS.values())


def test_answers_are_counted_as_the_study_asks_them():
    """E1 by hand: 3 kinds of advice x 6 accuracies x 2 displays, and the first turn."""
    none = dict.fromkeys(["calibration", "controls", "four_options", "transfer", "sanity"], 0)
    assert scaling_paper.answers(none | {"factorial": 10}, 6) == 10 + 10 * 36
    every = dict.fromkeys([*none, "factorial"], 4)
    assert scaling_paper.answers(every, 6) == 4 * (5 + 7 * 36)


def test_a_reasoner_of_several_algorithms_takes_a_batch_of_each_in_a_step():
    config = scaling_paper.config_of()
    config["clrs"]["data"]["train"]["sizes"] = [4, 16]
    config["clrs"]["train"]["seeds"] = 3
    config["clrs"]["reasoners"] = {
        "a": {"algorithms": ["bfs"], "steps": 10},
        "b": {"algorithms": ["bfs", "dfs"], "steps": 5},
    }
    found = scaling_paper.ESTIMATES["clrs_train"].seconds(
        lambda n: n * scaling_work.GRAPH_STEPS, config, {"bfs": 1.0, "dfs": 9.0}
    )
    assert found == pytest.approx(10 * 3 * (10 * 1 + 5 * 10))  # 10 s per step, mean of the sizes


def test_hours_of_a_gpu_are_operations_over_its_share_of_the_peak():
    reached = scaling_paper.Reached(1e15, 0.1, 0.4)
    # 3,600 s at 2e14 operations per second, of which the GPU does 1e14 or 4e14.
    assert scaling_paper.gpu_hours(3600.0, 2e14, reached) == pytest.approx((0.5, 2.0))
    # Eight billion parameters: 16e9 operations per token.
    written = scaling_paper.WRITING
    tokens = 3600 * written.peak * written.most / 16e9
    least, most = scaling_paper.model_hours(8, 0.0, tokens)
    assert least == pytest.approx(1.0)
    assert most == pytest.approx(written.most / written.least)


def test_assumed_shares_are_ranges_below_the_peak():
    known = {own.reached for own in scaling_paper.ESTIMATES.values() if own.reached}
    known |= {scaling_paper.READING, scaling_paper.WRITING}
    assert all(0 < each.least < each.most < 1 for each in known)


def test_estimates_of_the_default_run_are_their_fits(tmp_path, monkeypatch):
    """With a call that takes `size` seconds, at the measured shapes."""
    monkeypatch.chdir(tmp_path)
    config = scaling_paper.config_of()

    def seconds(rule):
        return scaling_paper.ESTIMATES[rule].seconds(float, config, {})

    assert seconds("softmax_train") == 1000 + 300 * 0.5 * 6
    assert seconds("perplexity_copiers") == 500 * 3
    assert seconds("optimizers_continual") == (150 + 100) * 8 + 150 * 2  # two on one stream only
    assert seconds("cocycles_messages") == 4 * (100 + 300 + 1000 + 3000 + 10000)
    assert seconds("stochasticity") == 1024 * 2
    assert seconds("parallel_sequential") == 66 * 2
