"""Skills are scored as defined; the saved model is one that transformers loads unchanged."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from statsmodels.stats.proportion import proportion_confint

from tests.models import tiny
from workflow_scripts.models import card, corpus, curve, evaluate, train
from workflow_scripts.shared import tables

torch.set_num_threads(1)
CHECKPOINT = ["checkpoint/model.safetensors"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a whole training run by the rule's own script."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for split, each in (("train", 60), ("held_out", 12)):
            frame = tiny.frame(split, each).assign(seen=3)
            frame.loc[frame["skill"] != "facts", "seen"] = pd.NA
            tables.write(frame, f"{split}.parquet", corpus.CORPUS)
        tiny.tokens().save_pretrained("tokenizer")
        shape = tiny.SHAPE | {"steps": 12}
        settings = {k: v for k, v in vars(tiny.SETTINGS).items() if k != "steps"}
        train.main(
            "train.parquet",
            "held_out.parquet",
            ["tokenizer/tokenizer.json"],
            CHECKPOINT,
            "curve.parquet",
            "tiny",
            1,
            shape,
            settings | {"curve_items": 4},
            {"code": "abc", "seed": 1, "commit": "def", "versions": {"torch": "2"}},
        )
        evaluate.main(CHECKPOINT, "held_out.parquet", "skills.parquet", "tiny", 1)
    return folder


def test_it_loads_in_transformers_unchanged(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained / "checkpoint")
    model = AutoModelForCausalLM.from_pretrained(trained / "checkpoint")
    assert type(model).__name__ == "Qwen3ForCausalLM"
    assert model.config._attn_implementation != "block_attention"
    assert tokenizer.model_max_length == 512
    turns = [{"role": "user", "content": "How many ones are in: 1 1 1?"}]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    made = model.generate(ids, max_new_tokens=5)
    assert made.shape[1] <= ids.shape[1] + 5


def test_nothing_is_left_to_resume_once_it_is_saved(trained):
    assert not list((trained / "work").rglob("state.pt"))


def test_accuracies_are_counts_with_wilson_intervals():
    answers = pd.DataFrame(
        {
            "skill": "arithmetic",
            "form": ["single"] * 6 + ["again"] * 4,
            "level": ["1 step"] * 3 + ["2 steps"] * 3 + ["1 step"] * 4,
            "seen": pd.NA,
            "right": [True, True, False, False, False, True, True, True, True, False],
        }
    )
    rows = pd.DataFrame(evaluate.accuracies(answers)).set_index(["form", "level"])
    assert rows.loc[("single", "1 step"), "value"] == pytest.approx(2 / 3)
    assert rows.loc[("single", "all"), "value"] == pytest.approx(1 / 2)
    assert rows.loc[("all", "all"), "n"] == 10
    low, high = proportion_confint(6, 10, method="wilson")
    assert rows.loc[("all", "all"), "ci_low"] == pytest.approx(low)
    assert rows.loc[("all", "all"), "ci_high"] == pytest.approx(high)


@pytest.mark.parametrize(
    ("times", "band"), [(0, "seen 0-7"), (7, "seen 0-7"), (8, "seen 8-15"), (31, "seen 16-31")]
)
def test_bands_double(times, band):
    assert evaluate.seen_band(times) == band


def test_total_variation_counts_what_is_given_to_no_option():
    assert evaluate.total_variation(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert evaluate.total_variation(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == 0.5
    assert evaluate.total_variation(np.array([0.0, 0.0]), np.array([0.5, 0.5])) == 1


@pytest.mark.parametrize(
    ("reply", "reference", "right"),
    [("A", "A", True), ("A.", "A", False), ("0101", "0101", True), ("010", "0101", False)],
)
def test_right_is_to_the_character(reply, reference, right):
    assert evaluate.is_right("copying", reply, reference) is right


def test_right_in_arithmetic_is_the_final_answer():
    made = tiny.frame().query("skill == 'arithmetic'")["messages"].iloc[0]
    solution = json.loads(made)[-1]["content"]
    assert evaluate.is_right("arithmetic", "?\n" + solution.split("\n")[-1], solution)
    assert not evaluate.is_right("arithmetic", "I do not know", solution)


def test_the_distribution_is_that_of_a_plain_forward_pass(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained / "checkpoint")
    model = AutoModelForCausalLM.from_pretrained(trained / "checkpoint").eval()
    found = evaluate.distribution(model, tokenizer, "a digit", ["3", "7"])
    ids = tokenizer("<|user|>a digit<|end|><|assistant|>", return_tensors="pt")
    with torch.no_grad():
        expected = model(**ids).logits[0, -1].double().softmax(-1)
    for value, digit in zip(found, ["3", "7"], strict=True):
        assert value == pytest.approx(float(expected[tokenizer.convert_tokens_to_ids(digit)]))


def test_the_card_shows_the_measured_numbers(trained, monkeypatch):
    monkeypatch.chdir(trained)
    curve.main("curve.parquet", "skills.parquet", "figures/learning_curve.png")
    card.main(
        CHECKPOINT,
        "curve.parquet",
        "skills.parquet",
        "train.parquet",
        "card.md",
        "card.html",
        "tiny",
    )
    text = (trained / "card.md").read_text()
    skills = tables.read("skills.parquet")
    facts = skills[(skills["skill"] == "facts") & (skills["form"] == "all")].iloc[0]
    assert f"| facts | all | all | {facts['value']:.3f} |" in text
    assert "stand-in" in text
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(trained / "checkpoint")
    assert f"| parameters | {model.num_parameters():,} |" in text
    page = (trained / "card.html").read_text()
    assert f"<td>{facts['value']:.3f}</td>" in page
    assert page.count("data:image/png;base64,") == 1
    assert 'src="figures' not in page
