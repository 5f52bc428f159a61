"""Every arm is trained and evaluated by the functions that the rules call."""

import numpy as np
import pytest
import torch
import yaml

from tests.transnar import made
from workflow_scripts.clrs import weights as reasoners
from workflow_scripts.shared import adaptive_temperature, config, seeds, tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import attention, evaluate, train, training, weights
from workflow_scripts.transnar.arms import ARMS, inferences
from workflow_scripts.transnar.figures_ablations import CONDITIONS
from workflow_scripts.transnar.figures_common import LOOK, VARIANTS

POLYNOMIAL = str(ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv")
STEPS = 4
TRAINING = {"steps": STEPS, "batch": 4, "learning_rate": 1e-2, "warmup_steps": 1}
TRAINING |= {"final_rate": 0.1, "max_grad_norm": 1.0, "checkpoint_every": 2}
TRAINING |= {"pass_tokens": 10**6, "recompute": False, "precision": "auto"}
SIZE = {"width": 16, "layers": 2, "heads": 2, "mlp": 64, "position_range": 256}
# As in config.yaml and in presets/paper.yaml.
SHAPES = {"default": SIZE | {"labels": 8, "gate": 1.0}, "paper": SIZE | {"labels": 0, "gate": 0.0}}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Inputs and settings that both scripts share."""
    folder = tmp_path_factory.mktemp("arms")
    data = str(made.data(folder / "bfs.npz"))
    reasoners.write(folder / "0.safetensors", made.reasoner(data), "triplet_gmpnn")
    return {
        "data": [data],
        "algorithms": ["bfs"],
        "reasoners": [str(folder / "0.safetensors")],
        "polynomial": POLYNOMIAL,
        "seed": 1,
        "provenance": {"code": "a test"},
    }


def test_config_and_figures_name_the_arms():
    schema = yaml.safe_load((ROOT / "schemas/transnar.schema.yaml").read_text())
    assert schema["properties"]["arms"]["items"]["enum"] == list(ARMS)
    paper = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())
    assert paper["transnar"]["arms"] == list(ARMS)
    assert set(LOOK) | set(VARIANTS) == {*ARMS, "reasoner"}
    assert set(CONDITIONS) == set(inferences("hybrid"))


def test_an_unknown_arm_is_refused_by_name():
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    content["transnar"]["arms"] = list(ARMS)
    config.check(content)
    content["transnar"]["arms"].append("hybrid_product")
    with pytest.raises(config.ConfigError, match=r"transnar\.arms.*'hybrid_product'.*hybrid_sum"):
        config.check(content)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ARMS)
def test_an_arm_is_trained_and_evaluated(given, tmp_path, monkeypatch, name, shape):
    monkeypatch.chdir(tmp_path)
    models = ["0.safetensors", "1.safetensors"]
    given = given | {"models": models, "arm": name}
    train.main(**given, curve="curve.parquet", decoder=SHAPES[shape], training=TRAINING)
    curve = tables.read("curve.parquet")
    assert len(curve) == 2 * STEPS
    assert np.isfinite(curve["loss_nats"]).all()
    attention.use(adaptive_temperature.published(POLYNOMIAL))
    arm, found = ARMS[name], weights.read(models[0])
    own = found.shape
    assert (own.merge, own.plain_positions) == (arm.merge, arm.plain_positions)
    assert own.streams == arm.streams
    assert bool(own.reasoner_width) is (arm.reasoner != "none")
    start = training.initial(own, arm, seeds.derive(1, "transnar", 0)).state_dict()
    moved = [key for key, value in found.state_dict().items() if not torch.equal(value, start[key])]
    assert "decoder.model.layers.0.self_attn.q_proj.weight" in moved
    assert ("couplings.0.gate" in moved) is (arm.reasoner != "none")

    evaluate.main(**given, table="answers.parquet", batch=8)
    answers = tables.read("answers.parquet")
    answers = answers[answers["arm"] == name]
    assert set(answers["inference"]) == set(inferences(name))
    assert set(answers["seed"]) == {0, 1}
    assert answers[["clrs", "shape", "parse"]].notna().all(axis=None)
    assert answers.query("form == 'given'")["shape"].eq(1).all()
