"""Induction scores by brute force and on constructed heads; ablation by zeroing weights."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inference import architectures, tiny
from workflow_scripts.inference import engines
from workflow_scripts.parallel_sequential import copying, heads, mechanism
from workflow_scripts.parallel_sequential.dialogue import Dialogue
from workflow_scripts.parallel_sequential.rows import Rows, table

torch.set_num_threads(1)  # as in a job
SPEC = tiny.SPEC
LENGTH = 6


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("tiny") / "model")
    return engines.load("tiny", SPEC, str(folder), attention="eager")


def test_a_perfect_induction_head_scores_one_and_a_uniform_one_little():
    size = 2 * LENGTH
    weights = np.zeros((1, 1, 2, size, size))
    for query in range(size):
        weights[0, 0, 1, query, : query + 1] = 1 / (query + 1)
        target = query - LENGTH + 1
        weights[0, 0, 0, query, max(target, 0)] = 1
    scores = heads.induction_scores(weights, LENGTH)[0, 0]
    assert scores[0] == 1
    assert scores[1] == pytest.approx(np.mean([1 / (q + 1) for q in range(LENGTH, size - 1)]))


def test_repeated_sequences_are_given_twice():
    ids = heads.repeated([3, 5, 9], LENGTH, 4, np.random.default_rng(0)).numpy()
    assert ids.shape == (4, 2 * LENGTH)
    assert (ids[:, :LENGTH] == ids[:, LENGTH:]).all()
    assert set(ids.ravel()) <= {3, 5, 9}


def test_attentions_add_to_one_and_look_back_only(engine):
    ids = heads.repeated([10, 11, 12], LENGTH, 2, np.random.default_rng(0))
    weights = heads.attentions(engine.model, ids)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert np.triu(weights, 1).max() == 0


def test_a_head_switched_off_is_a_head_whose_output_weights_are_zero(engine):
    """It equals zero columns of the output projection, and leaves the model unchanged."""
    ids = torch.tensor([[20, 21, 22, 23]])
    model = engine.model
    before = model(input_ids=ids).logits
    gone = [(0, 1), (1, 0), (1, 3)]
    with heads.without(model, gone):
        off = model(input_ids=ids).logits
    assert torch.equal(model(input_ids=ids).logits, before)
    layers = model.model.layers
    kept = [layer.self_attn.o_proj.weight.detach().clone() for layer in layers]
    with torch.no_grad():
        for layer, head in gone:
            width = layers[layer].self_attn.head_dim
            layers[layer].self_attn.o_proj.weight[:, head * width : (head + 1) * width] = 0
        zeroed = model(input_ids=ids).logits
        for layer, weight in zip(layers, kept, strict=True):
            layer.self_attn.o_proj.weight.copy_(weight)
    torch.testing.assert_close(off, zeroed)
    assert not torch.allclose(off, before)


def test_a_head_is_as_wide_as_its_values(tmp_path):
    """DeepSeek's keys are wider (8 + 4) than its values."""
    folder = architectures.save(tmp_path / "model", "deepseek_v3", v_head_dim=6)
    model = engines.load("tiny", SPEC, folder, attention="eager").model
    ids = torch.tensor([[20, 21, 22, 23]])
    with torch.inference_mode(), heads.without(model, [(0, 1)]):
        off = model(input_ids=ids).logits
    with torch.inference_mode():
        model.model.layers[0].self_attn.o_proj.weight[:, 6:12] = 0
        zeroed = model(input_ids=ids).logits
    torch.testing.assert_close(off, zeroed)


def test_a_continuation_is_scored_as_token_by_token(engine):
    ids = [20, 21, 22, 23, 24]
    expected = 0.0
    for place in (3, 4):
        with torch.no_grad():
            logits = engine.model(input_ids=torch.tensor([ids[:place]])).logits[0, -1]
        expected += float(logits.double().log_softmax(-1)[ids[place]])
    assert heads.continuation_logprob(engine.model, ids, 2) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["embedded", "base", "chat"])
def test_the_answers_tokens_are_found_in_history_and_at_the_end(engine, kind):
    speech = Dialogue(kind, False, "math")
    spec = SPEC | {"chat_template": kind != "base"}
    prompts = copying.Prompts(engine.tokenizer, spec, speech)
    text, answer = "Start with 3, add 4.", "57"
    ids, count = prompts.after(text, answer)
    decode = engine.tokenizer.decode
    assert decode(ids[-count:]).strip() == answer
    assert decode([ids[place] for place in prompts.earlier(text, answer)]).strip() == answer
    plain, alone = prompts.plain(text, answer)
    assert plain[-alone:] == ids[-count:]
    assert len(plain) < len(ids)


def test_wrong_answers_are_those_of_other_questions():
    asked = pd.DataFrame(
        {
            "domain": "math",
            "question": list("abcd"),
            "text": list("ABCD"),
            "answer": ["1", "1", "2", "1"],
        }
    )
    found = {name: wrong for name, _, wrong in copying.cases(asked)}
    assert found == {"a": "2", "b": "2", "c": "1", "d": "2"}


def test_the_table_of_a_model_becomes_its_scores(engine):
    asked = [("1", "Start with 3, add 4.", "57"), ("2", "Start with 5, add 9.", "88")]
    settings = {"length": 4, "sequences": 3, "ablated_heads": 2, "random_draws": 3}
    prompts = copying.Prompts(engine.tokenizer, SPEC, Dialogue("embedded", False, "math"))
    rows = copying.measure(engine.model, prompts, asked, settings, np.random.default_rng(0))
    frame = pd.DataFrame(rows).assign(model="tiny").fillna({"ablated": "none", "draw": 0})
    frame = copying.COPYING.validate(frame)
    made = Rows("tiny", "math", 1)
    mechanism.copying(made, frame)
    scores = table([made.made]).set_index(["metric", "cell"])["value"]
    heads_seen = frame[frame["metric"] == "induction_score"].groupby(["layer", "head"])["value"]
    assert scores.loc["induction_score"].max() == pytest.approx(heads_seen.mean().max())
    gain = frame[(frame["metric"] == "copying_gain")].groupby("ablated")["value"].mean()
    for ablated in ("none", "induction", "random"):
        assert scores["copying_gain", ablated] == pytest.approx(gain[ablated])
        with_history = scores["logprob_with_history", ablated]
        without = scores["logprob_without_history", ablated]
        assert with_history - without == pytest.approx(gain[ablated])
    wide = frame[frame["metric"] == "induction_score"].pivot(
        index="unit", columns=["layer", "head"], values="value"
    )
    picked = wide.loc[["0", "2"]].mean().idxmax()
    found = scores.loc["strongest_induction_score"]
    assert found.index[0] == ".".join(map(str, picked))
    assert found.iloc[0] == pytest.approx(wide.loc["1", picked])
    lost = frame[frame["metric"] == "copying_gain"].pivot_table(
        index="unit", columns=["ablated", "draw"], values="value"
    )
    values = lost["random"].to_numpy() - lost["induction"].to_numpy()
    assert values.shape == (2, 3)
    row = table([made.made]).set_index("metric").loc["copying_lost_beyond_random"]
    assert row["ci_low"] == pytest.approx(mechanism.crossed(values).low)
    beyond = scores["copying_lost_beyond_random", ""]
    assert beyond == pytest.approx(gain["random"] - gain["induction"])


def test_the_spread_of_random_heads_enters_the_interval():
    """60 questions and 6 random sets: 95 % intervals contain 0 in about 95 % of the runs; intervals
    over questions alone do in far fewer."""
    rng = np.random.default_rng(1)
    shape = (400, 60, 6)
    values = rng.normal(size=shape) + rng.normal(size=(400, 60, 1)) + rng.normal(size=(400, 1, 6))
    both = [mechanism.crossed(each) for each in values]
    alone = [mechanism.crossed(each, sampled=False) for each in values]
    covered = [np.mean([low <= 0 <= high for _, low, high, _ in each]) for each in (both, alone)]
    assert covered[0] > 0.92
    assert covered[1] < 0.6


def test_one_random_set_of_heads_has_no_interval():
    found = mechanism.crossed(np.arange(5.0)[:, None], sampled=True)
    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()
