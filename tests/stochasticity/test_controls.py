"""A true generator passes the analysis and a rigged one fails; requests follow the config."""

import pandas as pd
import pytest
import yaml

from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.schemas import REQUESTS, SCORES
from workflow_scripts.stochasticity import controls, long_replies, requests, scores
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE

pytestmark = pytest.mark.xdist_group("controls")  # one worker makes its fixtures

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())["stochasticity"]
DRAWS = 600
SETTINGS = {
    "decoding": {
        "targets": ["digit"],
        "temperatures": [0.6, 1.0],
        "top_ps": [0.9, 1.0],
        "recommended": {"temperature": 0.6, "top_p": 0.95, "top_k": 20},
    },
    "external_maps": ["bucket", "inverse_normal", "box_muller"],
    "self_made_maps": ["bucket"],
    "discrete": {"bernoulli_percent": [20], "categorical_percent": [[40, 30, 20, 10]]},
}
LONG = {
    "batched": {"targets": ["digit", "normal"], "sizes": [20]},
    "generators": {"moduli": [10], "xorshift_bits": [8], "starts": 20, "steps": 4},
}
CHAINS = {"targets": ["digit", "normal"], "chains": 32, "rounds": 24}
CONTROLS = {"favourite": 0.2, "replicates": 300, "power_replicates": 200, "excesses": [0.0, 0.1]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Requests, the controls' draws and rates, and all scores, written by the rules' scripts."""
    folder = tmp_path_factory.mktemp("controls")
    manner = controls.MANNER.asked
    requests.main(folder / "requests.parquet", "m", {}, "", manner, DRAWS, SETTINGS, 1)
    paths = folder / "draws.parquet", folder / "rates.parquet"
    questions = {name: SETTINGS[name] for name in SETTINGS if name != "decoding"}
    controls.main(*paths, CHAINS, LONG, questions, CONTROLS, DRAWS, 1)
    models = {"m": "chat", "r": "reasoning"}
    scores.main(
        [], [], [paths[0]], [], [], paths[1], folder / "scores.parquet", models, [], DRAWS, 1
    )
    return folder


@pytest.fixture(scope="module")
def scored(folder):
    return tables.read(folder / "scores.parquet", SCORES)


def everything(folder):
    """All single-turn requests."""
    asked = tables.read(folder / "requests.parquet", REQUESTS)
    return pd.concat([asked, long_replies.table(controls.MANNER, LONG, DRAWS, 1)])


def test_each_condition_requests_the_configured_number_of_draws(folder):
    asked = everything(folder)
    drawn = (asked["n"] * asked["batch"]).groupby(asked["experiment"]).sum()
    conditions = (
        asked.drop_duplicates(
            ["experiment", "target", "style", "temperature", "top_p", "top_k", "batch"]
        )
        .groupby("experiment")["target"]
        .size()
    )
    assert set(drawn.index) == {"S1", "S2", "S3", "S7", "S8", "S9", "S10", "S12", "S14"}
    for experiment in ("S1", "S2", "S3", "S7", "S9", "S10", "S14"):
        assert drawn[experiment] == DRAWS * conditions[experiment]
    assert conditions["S1"] == 3
    assert conditions["S3"] == 5
    assert drawn["S8"] == 2 * 20 * 4
    assert DRAWS - 20 <= drawn["S12"] <= DRAWS


def test_every_sampling_field_of_a_request_is_explicit(folder):
    asked = everything(folder)
    for field in ("temperature", "top_p", "top_k", "max_tokens", "n", "seed"):
        assert asked[field].notna().all()


def test_the_true_generator_passes_at_the_nominal_rate(scored):
    rows = scored[(scored["metric"] == "pass_rate_p") & (scored["model"] == TRUE)]
    graded = rows[rows["style"] != "ks_ties"]  # biased by ties
    assert len(graded) >= 5
    assert graded["value"].gt(1e-4).all()


def test_the_rigged_generator_fails(scored):
    rows = scored[(scored["metric"] == "pass_rate") & (scored["model"] == RIGGED)]
    assert len(rows) >= 5
    assert rows["value"].max() == 0


def test_true_conditions_are_seldom_rejected_and_rigged_ones_mostly(scored):
    rows = scored[(scored["metric"] == "chi_square_p") & scored["n"].ge(DRAWS - 50)]
    plain = rows[rows["experiment"].isin(["S1", "S2", "S9", "S14"])]
    true = plain.loc[plain["model"] == TRUE, "value"]
    rigged = plain.loc[plain["model"] == RIGGED, "value"]
    assert len(true) == len(rigged) > 10
    assert (true < 0.05).mean() < 0.25
    assert (rigged < 0.05).mean() > 0.9


def test_rigged_chains_repel_and_repeat_and_true_ones_do_not(scored):
    def one(model, experiment, metric, cell):
        row = scored[
            (scored["model"] == model)
            & (scored["experiment"] == experiment)
            & (scored["metric"] == metric)
            & (scored["target"] == "normal")
        ]
        return (row[row["cell"] == cell] if cell else row).iloc[0]

    assert one(RIGGED, "S5", "acf", "1")["ci_high"] < 0
    assert one(RIGGED, "S6", "periodicity", "4")["ci_low"] > 0.3
    assert one(RIGGED, "S6", "periodicity_p", "4")["value"] < 0.01
    assert abs(one(TRUE, "S5", "acf", "1")["value"]) < 0.15
    assert one(TRUE, "S6", "periodicity", None)["ci_low"] < 0.1


def test_power_is_the_level_without_an_effect_and_certain_with_a_large_one(scored):
    rows = scored[scored["metric"] == "power"]
    none = rows[rows["cell"] == "0"]
    assert (none["ci_low"] <= 0.05).all()
    assert (none["ci_high"] >= 0.03).all()
    assert rows.loc[rows["cell"] == "0.1", "value"].min() > 0.9


def test_a_model_that_is_not_run_has_a_reason(scored):
    for model, kind in (("m", "chat"), ("r", "reasoning")):
        rows = scored[(scored["model"] == model) & (scored["metric"] == "draws")]
        notes = rows.set_index("experiment")["note"]
        assert set(notes.index) == {"S1", "S4", "S11", "S13", "exact", "stopping"}
        assert "stochasticity.stopping" in notes["S1"]
        assert notes["exact"].startswith(f"kind {kind}: ")
        assert notes["stopping"] == "stochasticity.stopping is off in this run"
        assert notes["S4"].startswith(f"kind {kind}: ")
        assert notes["S11"].startswith(f"kind {kind}: ")
        assert "stages" in notes["S13"]


def test_the_default_config_has_the_number_of_draws_of_the_paper():
    assert CONFIG["draws"] == 1024
