"""From runs to scores and from scores to reasons: what is compared, and what is left out."""

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.optimizers import verdicts
from workflow_scripts.optimizers import claims, config_checks, measurements, pooling, sequences
from workflow_scripts.optimizers.scores import CONDITIONS, WHOLE
from workflow_scripts.shared import scores
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.protocol import Setting
from workflow_scripts.shared.scores import mean

KNOWN = (Setting("hidden layers", 1, 1),)
KEPT = {"stream": "permuted", "protocol": "steps", "state": "kept"}


def run(optimizer, seed, metric, values, protocol="steps", diverged=False, of_task=None):
    """Rows of one run: `values` by index for a probe, by task otherwise."""
    place = {"optimizer": optimizer, "seed": seed, "metric": metric, "of_task": of_task}
    place |= {"stream": "permuted", "protocol": protocol, "state": "kept", "rate": "tuned"}
    at = "index" if metric.startswith("probe") else "task"
    blank = {"index": None, "task": None, "layer": None, "other": None, "time": None}
    return [
        blank | place | {at: number, "value": value, "diverged": diverged}
        for number, value in values.items()
    ]


def test_a_path_is_read_where_it_first_has_the_distance():
    distances, values = np.array([0.0, 1.0, 3.0, 2.0, 4.0]), np.array([1.0, 0.9, 0.5, 0.6, 0.2])
    assert sequences.first_reached(distances, values, 2.0) == pytest.approx(0.7)
    assert sequences.first_reached(distances, values, 0.0) == 1.0
    assert sequences.first_reached(distances, values, 4.0) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="expected a path as long as 5, found one that ends at 4"):
        sequences.first_reached(distances, values, 5.0)


def test_the_equal_distance_is_one_that_every_run_reaches():
    """The mean distance of the slower optimiser is 2; its shorter run ends at 1."""
    ends = {("sgd", 0): 4.0, ("sgd", 1): 4.0, ("shampoo", 0): 1.0, ("shampoo", 1): 3.0}
    rows = []
    for (name, seed), end in ends.items():
        rows += run(name, seed, "probe_distance", {1: end / 2, 2: end})
        rows += run(name, seed, "probe_accuracy", {1: 0.9 - end / 20, 2: 0.9 - end / 10}, of_task=1)
        rows += run(name, seed, "task_accuracy", {1: 0.9}, of_task=1)
    found = sequences.at_equal_distance(pd.DataFrame(rows))
    lost = found[found["metric"] == "forgetting_at_distance"]
    assert set(lost["time"]) == {1.0}
    assert lost["value"].to_numpy() == pytest.approx(0.1)  # accuracy falls by 0.1 per unit
    assert set(found[found["metric"] == "learned_first"]["value"]) == {0.9}


def test_runs_that_missed_the_loss_are_counted_and_left_out():
    rows = []
    for seed, reached in enumerate((1.0, 1.0, 1.0, 0.0)):
        for name in ("sgd", "shampoo"):
            hit = {1: 1.0, 2: reached if name == "shampoo" else 1.0}
            rows += run(name, seed, "reached", hit, "matched")
            value = 0.9 if hit[2] == 0 else 0.2 + 0.01 * seed
            rows += run(name, seed, "forgetting", {2: value}, "matched")
    found = pd.DataFrame(sequences.continual_scores(pd.DataFrame(rows)))
    missed = found[found["metric"] == "missed_runs"].set_index("optimizer")
    assert missed["value"].to_dict() == {"sgd": 0, "shampoo": 1}
    forgotten = found[(found["metric"] == "forgetting") & (found["optimizer"] == "shampoo")]
    assert forgotten["value"].item() == pytest.approx(0.21)
    assert forgotten["n"].item() == 3
    gap = found[(found["metric"] == "forgetting_difference") & (found["optimizer"] == "shampoo")]
    assert gap["n"].item() == 3


def test_arms_that_learn_equally_at_every_seed_are_compared():
    """Their difference of 0 had an interval of +-31 points, and so counted as unequal."""
    rows = []
    for seed in range(10):
        for name, forgotten in (("adamw", 0.3), ("shampoo", 0.2)):
            rows += run(name, seed, "learned_accuracy", {2: 0.9 + 0.001 * seed})
            rows += run(name, seed, "forgetting", {2: forgotten + 0.001 * seed})
    frame = pd.DataFrame(rows)
    frame = pd.concat([frame, pd.DataFrame(run("adamw", 0, "reached", {2: 1.0}, "matched"))])
    table = scores.table([sequences.continual_scores(frame)], CONDITIONS, WHOLE)
    place = {**KEPT, "optimizer": "shampoo", "other": "adamw"}
    assert measurements.unequal(table.assign(model="x"), "forgetting", place) is None


def comparison(learned, diverged=0, forgotten=(-0.2, -0.21, -0.19), values=(0.3, 0.5), **at):
    """Scores of Shampoo against SGD with the given difference of learned accuracies."""
    place = {**KEPT, "optimizer": "shampoo", **at}
    last = {**place, "task": 5, "other": "sgd"}
    rows = [
        mean("continual", "forgetting_difference", forgotten, bounds=(-2, 2), **last),
        mean("continual", "learned_accuracy_difference", learned, **last),
        scores.number("tuning", "tuned_rate_at_end", 0, 16, units="runs", stream="permuted"),
    ]
    for name, value in zip(("shampoo", "sgd"), values, strict=True):
        arm = {**KEPT, "optimizer": name, "rate": "tuned"}
        rows.append(mean("continual", "forgetting", [value] * 3, task=5, **arm))
        out = diverged if name == "shampoo" else 0
        rows.append(scores.exact("continual", "diverged_runs", out, 10, units="runs", **arm))
    return scores.table([rows], CONDITIONS, WHOLE).assign(model="MLP on digits")


def compare(table):
    (found,) = measurements.difference(
        "forgetting", "permuted", "steps", ["sgd"], KNOWN, table, None
    )
    return found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"learned": [0.004, 0.005, 0.006]}, None),
        ({"learned": [0.0, 0.0, 0.0]}, None),
        ({"learned": [-0.1, -0.11, -0.12]}, "learned accuracies differ by -11.0"),
        ({"learned": [-0.1, 0.0, 0.1]}, "learned accuracies differ by 0.0"),
        ({"learned": [0.0, 0.001, 0.0], "diverged": 4}, "4 of 10 runs of shampoo diverged"),
        (
            {"learned": [0.0, 0.001, 0.0], "values": (0.0, 0.0), "forgotten": [0.0] * 3},
            "both arms are at 0 %: no difference can be measured",
        ),
    ],
)
def test_why_a_comparison_is_not_decided(changes, reason):
    found = compare(comparison(**changes))
    assert found.condition == "against sgd"
    if reason is None:
        assert found.reason is None
    else:
        assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("data", "layers", "evidence", "note"),
    [
        ("MNIST", 1, "paper's own protocol", "x"),
        ("MNIST", 3, "reduced protocol", "x; reduced: hidden layers 3, not 2"),
        ("digits", 1, "reduced protocol", "x; reduced: data digits, not MNIST"),
        ("other images", 2, "reduced protocol", "x; reduced: data other images, not MNIST"),
    ],
)
def test_only_mnist_with_all_known_settings_is_the_papers_own_protocol(
    data, layers, evidence, note
):
    known = claims.of_streams([64] * layers, [1e-3, 1e-4])
    row = comparison([0.0, 0.001, 0.0]).iloc[0].copy()
    row["model"] = f"MLP on {data}"
    found = measurements.measured(row, "x", known)
    assert (str(found.evidence), found.note) == (evidence, note)


def test_the_notebook_is_followed_only_in_full():
    config, preset = (
        yaml.safe_load((ROOT / name).read_text())["optimizers"]
        for name in ("config.yaml", "presets/paper.yaml")
    )
    full = claims.of_notebook(config["sparsity"] | preset["sparsity"], config["pruning"], 5000)
    assert all(setting.followed for setting in full)
    default = claims.of_notebook(config["sparsity"], config["pruning"], config["data"]["valid"])
    differ = [setting.text for setting in default if not setting.followed]
    assert differ == [
        "widths 64, 32, not 300, 100",
        "steps 1500, not 50,000",
        "images held out 300, not 5000",
    ]


def test_equal_seeds_give_no_interval_of_width_zero():
    found = compare(comparison([0.0, 0.001, 0.0], forgotten=[-0.08] * 3))
    assert found.ci_low < -0.08 < found.ci_high


def test_rounding_errors_do_not_leave_the_bounds_and_other_values_are_refused():
    values = pd.Series([1.0000001, 1.0000001, 1.0])
    assert pooling.within(values, (0.0, 1.0)).max() == 1.0
    assert pooling.within(values, None).equals(values)
    with pytest.raises(ValueError, match=r"expected values from 0 to 1, found 0\.2 to 1\.3"):
        pooling.within(pd.Series([0.2, 1.3]), (0.0, 1.0))


def test_one_seed_decides_nothing():
    found = compare(comparison([0.0, 0.001, 0.0], forgotten=[-0.5]))
    assert np.isnan([found.ci_low, found.ci_high]).all()


def test_sgd_cannot_be_restricted_to_one_stream():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert not list(config_checks.problems(config))
    config["optimizers"]["optimizers"]["sgd"]["only"] = "permuted"
    (problem,) = config_checks.problems(config)
    assert problem.startswith(
        "optimizers.optimizers.sgd.only: found permuted, allowed: no such key"
    )


def test_controls_and_extensions_are_not_counted_as_claims_of_the_paper():
    kinds = {claim.id: str(claim.kind) for claim in verdicts.all_claims()}
    assert {id_ for id_, kind in kinds.items() if kind == "control"} == {
        *("O3c", "O3d", "O3e", "O3f", "O3g", "O3h")
    }
    assert {id_ for id_, kind in kinds.items() if kind == "extension"} == {"O2a", "O2b", "O7b"}
