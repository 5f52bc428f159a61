"""Adaptive temperature in language models: a model in closed form, real architectures, lists."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.softmax import constructed
from tests.softmax.test_probe import IDS, gemma, gpt_oss, made, qwen
from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import (
    adaptive_fits,
    adaptive_models,
    asked_lists,
    lists,
    probe,
    tempering,
)

COEFFICIENTS = adaptive_temperature.published(
    ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
)
PUBLISHED = tempering.polynomial(COEFFICIENTS)
CANDIDATES = list(range(lists.CLASSES))
SIZES = (4, 32, 200)


@pytest.fixture(scope="module")
def net():
    return constructed.model()


def beta_of(entropy):
    """The paper's listing, with NumPy."""
    return max(float(np.polyval(COEFFICIENTS, entropy)), 1.0) if entropy > 0.5 else 1.0


def plain(prompt):
    return constructed.softmax(constructed.logits(prompt))


def published(prompt):
    beta = beta_of(constructed.entropy(plain(prompt)))
    return constructed.softmax(beta * constructed.logits(prompt))


def published_content(prompt):
    weights, logits = plain(prompt), constructed.logits(prompt)[1:]
    beta = beta_of(constructed.entropy(constructed.softmax(logits)))
    return np.concatenate([weights[:1], (1 - weights[0]) * constructed.softmax(beta * logits)])


WAYS = {
    "plain": (probe.plain, plain),
    "published": (tempering.tempered(PUBLISHED), published),
    "published_content": (tempering.content_tempered(PUBLISHED, 1), published_content),
}


@pytest.mark.parametrize("items", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_answers_are_those_of_the_closed_form(net, way, items):
    weigh, weights = WAYS[way]
    asked = constructed.prompts(items, 40, seed=items)
    right, likelihood = asked_lists.answered(net, asked, CANDIDATES, weigh)
    expected = np.array([constructed.output(each, weights(each)) for each in asked])
    answers = np.array([each.answer for each in asked])
    own = expected[np.arange(len(asked)), answers]
    assert likelihood == pytest.approx(own, abs=2e-5)
    ahead = expected.max(1) - own < 1e-9
    close = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] < 1e-4  # a tie of two letters
    assert (right[~close] == ahead[~close]).all()


def test_the_known_gain_is_found(net):
    """200 items drown a logit of 2; within its window the polynomial brings it back."""
    asked = {("needle", 200): constructed.prompts(200, 60, seed=1)}
    ways = {name: weigh for name, (weigh, _) in WAYS.items()}
    table = pd.DataFrame(adaptive_models.compared(net, asked, CANDIDATES, ways))
    table = table.set_index(["metric", "inference"])
    for name in ("published", "published_content"):
        found = table.loc[("accuracy_gain_over_plain", name)]
        counted = [
            np.mean(
                [constructed.output(each, way(each)).argmax() == each.answer for each in asked_of]
            )
            for asked_of in asked.values()
            for way in (WAYS[name][1], plain)
        ]
        assert found["value"] == pytest.approx(counted[0] - counted[1], abs=0.05)
        assert found["ci_low"] > 0
    # Without the sink more of the weight is sharpened, so that more of the items are found.
    shares = table.xs("accuracy", level="metric")["value"]
    assert shares["plain"] < shares["published"]
    assert table.loc[("accuracy", "plain"), "n"] == 60


@pytest.mark.parametrize("items", SIZES)
def test_the_atlas_has_the_closed_form(net, items):
    prompt = constructed.prompts(items, 1, seed=3)[0]
    found = dict(
        zip(asked_lists.MEASURES, asked_lists.attention(net, prompt, 1)[0, 0], strict=True)
    )
    sought, sink = math.exp(constructed.SOUGHT), math.exp(constructed.SINK)
    total = sought + sink + items  # the other items, and the last token itself
    content = total - sink
    assert found["sink_weight"] == pytest.approx(sink / total, rel=1e-5)
    assert found["item_weight"] == pytest.approx(sought / total, rel=1e-5)
    assert found["largest_content_weight"] == pytest.approx(sought / content, rel=1e-5)
    assert found["entropy_nats"] == pytest.approx(constructed.entropy(plain(prompt)), abs=1e-5)
    # ln Z less the mean logit, Z the sum of exp over content.
    entropy = math.log(content) - constructed.SOUGHT * sought / content
    assert found["content_entropy_nats"] == pytest.approx(entropy, abs=1e-5)


def test_the_slope_is_that_of_dispersion(net):
    """The largest content weight is e^c / (e^c + n), whose log-log slope tends to -1."""
    asked = {("needle", items): constructed.prompts(items, 2, seed=items) for items in SIZES}
    seen = adaptive_models.observed(net, asked, 2, 1)
    rows = pd.DataFrame(adaptive_models.slopes(adaptive_models.atlas(seen, asked)))
    sought = math.exp(constructed.SOUGHT)
    keys = np.array([items + 2 for items in SIZES])
    expected = np.polyfit(np.log(keys), [math.log(sought / (sought + n)) for n in SIZES], 1)[0]
    assert rows.loc[rows["layer"].isna(), "value"].item() == pytest.approx(expected, abs=1e-4)


def test_the_best_temperature_is_the_likeliest_of_the_grid(net):
    sets = {("needle", items): constructed.prompts(items, 12, seed=items) for items in SIZES}
    betas = np.geomspace(0.5, 4.0, 7)
    entropies = {place: 1.0 + at for at, place in enumerate(sets)}
    found = adaptive_fits.points(net, sets, CANDIDATES, entropies, betas)
    for (_, items), prompts in sets.items():
        curve = [
            np.mean(
                [
                    constructed.output(each, constructed.softmax(beta * constructed.logits(each)))[
                        each.answer
                    ]
                    for each in prompts
                ]
            )
            for beta in betas
        ]
        own = found[found["items"] == items]
        assert own[adaptive_fits.BEST].item() == pytest.approx(betas[int(np.argmax(curve))])
    fit = adaptive_fits.polynomial(found, 4)
    assert len(fit["coefficients"]) == 3  # three points: a parabola through them
    assert fit["explained_variance"] == pytest.approx(1.0)
    assert adaptive_fits.polynomial(found.assign(entropy_nats=0.1), 4) is None


def test_a_temperature_per_head_is_learned(net):
    """One head, whose likelihood rises with beta: the fit raises it, and other lists gain."""
    sets = {("needle", items): constructed.prompts(items, 8, seed=items) for items in (32, 64)}
    settings = {"head_degree": 1, "steps": 15, "learning_rate": 0.05}
    found = adaptive_fits.heads(net, sets, CANDIDATES, (1, 1), settings)
    assert found.shape == (1, 1, 2)
    assert float(found.sum()) > 0.3
    others = constructed.prompts(100, 30, seed=9)
    weigh = tempering.tempered(tempering.per_head(found))
    before, after = (
        asked_lists.answered(net, others, CANDIDATES, each)[1].mean()
        for each in (probe.plain, weigh)
    )
    assert after > before + 0.1


def test_the_gradient_of_a_head_is_its_derivative(net):
    sets = constructed.prompts(20, 6, seed=4)

    def loss(value):
        coefficients = torch.tensor([[[value, 0.1]]], requires_grad=True)
        weigh = tempering.tempered(tempering.per_head(coefficients))
        total = torch.zeros(())
        for places, logs in asked_lists.log_shares(net, sets, CANDIDATES, weigh):
            answers = torch.tensor([sets[place].answer for place in places])
            total = total - logs.gather(-1, answers[:, None]).sum()
        total.backward()
        return total.item(), float(coefficients.grad[0, 0, 0])

    step = 1e-2
    slope = (loss(0.2 + step)[0] - loss(0.2 - step)[0]) / (2 * step)
    assert loss(0.2)[1] == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize("kind", [qwen, gemma, gpt_oss])
@pytest.mark.parametrize("first", [0, 1, 3])
def test_temperature_one_is_the_model_itself(kind, first):
    """Windows, soft caps and learned sinks included."""
    model = made(kind)
    ids = torch.tensor([IDS, IDS[::-1]])
    ways = (
        tempering.tempered(tempering.constant(1.0)),
        tempering.tempered(tempering.per_head(torch.zeros(2, 4, 3))),
        tempering.only_in(7, tempering.tempered(PUBLISHED)),
        tempering.content_tempered(tempering.constant(1.0), first),
    )
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        for weigh in ways:
            with probe.watching(model, [0], lambda *_: None, weigh):
                assert torch.allclose(model(input_ids=ids).logits, expected, atol=1e-4)


def asked_of(count=5):
    return [SimpleNamespace(ids=[*IDS[:-1], each], answer=each % 4) for each in range(1, count + 1)]


@pytest.mark.parametrize("kind", [qwen, gemma, gpt_oss])
def test_one_layer_alone_is_a_whole_pass_with_that_layer_changed(kind):
    model, prompts = made(kind), asked_of()
    weigh, calls = tempering.tempered(PUBLISHED), []
    for number, layer in enumerate(model.model.layers):
        layer.register_forward_pre_hook(lambda *_, number=number: calls.append(number))
    found = asked_lists.answered_by_layer(model, prompts, CANDIDATES, weigh, 2)
    # What the hooks see: plain, the last layer alone, each changed layer and those above it; below
    # it they see a layer that gives what it gave before.
    assert calls == [0, 1] * 4
    expected = [asked_lists.answered(model, prompts, CANDIDATES, probe.plain)]
    for layer in range(2):
        own = tempering.only_in(layer, weigh)
        expected.append(asked_lists.answered(model, prompts, CANDIDATES, own))
    assert not np.array_equal(expected[0], expected[2])
    for row, wanted in enumerate(expected):
        assert np.array_equal([each[row] for each in found], wanted)
    assert all("forward" not in layer.__dict__ for layer in model.model.layers)


def test_layers_below_the_changed_one_compute_once(monkeypatch):
    model, prompts, computed = made(qwen), asked_of(), []
    for number, layer in enumerate(model.model.layers):
        layer.mlp.register_forward_pre_hook(lambda *_, number=number: computed.append(number))
    asked_lists.answered_by_layer(model, prompts, CANDIDATES, tempering.tempered(PUBLISHED), 2)
    assert computed == [0, 1, 1, 0, 1, 1]  # plain; trusted; each layer changed alone
    computed.clear()
    # Layers that would be given others' keys and values: their pass is another one.
    monkeypatch.setattr(torch, "equal", lambda *_: False)
    asked_lists.answered_by_layer(model, prompts, CANDIDATES, tempering.tempered(PUBLISHED), 2)
    assert computed == [0, 1, 1, 0, 1, 0, 1]


def test_weights_are_those_of_the_paper_s_listing():
    logits = torch.randn(2, 3, 4, 40) * 2
    hidden = torch.rand(2, 3, 4, 40) < 0.3
    masked = logits.masked_fill(hidden, -torch.inf)
    expected = adaptive_temperature.adaptive(logits, COEFFICIENTS, ~hidden)
    found = tempering.tempered(PUBLISHED)(0, masked, None)
    assert torch.allclose(found, expected, atol=1e-6)
    assert (found[hidden] == 0).all()
    sharper = tempering.content_tempered(PUBLISHED, 2)(0, masked, None)
    before = masked.softmax(-1)
    assert torch.allclose(sharper[..., :2], before[..., :2], atol=1e-6)
    assert torch.allclose(sharper.sum(-1), torch.ones(2, 3, 4), atol=1e-5)


def encode(prompt):
    """A token per character; one for a blank and the capital after it."""
    return [ord(each[-1]) + 1000 * (len(each) > 1) for each in re.findall(r"(?s) [A-Z]|.", prompt)]


def decode(ids):
    return "".join(f" {chr(each - 1000)}" if each > 1000 else chr(each) for each in ids)


def engine():
    return SimpleNamespace(encode=encode, name="mine", context=400)


@pytest.mark.parametrize("task", lists.QUESTIONS)
def test_the_answer_and_its_line_are_those_of_the_text(task):
    names = list(lists.letters(engine()))
    assert names == list("ABCDEFGHIJ")
    for prompt in lists.prompts(engine(), task, 12, 5, names, np.random.default_rng(1)):
        text = decode(prompt.ids)
        lines = dict(re.findall(r"^(\d{3}) ([A-J])$", text, re.MULTILINE))
        assert len(lines) == 12
        asked = re.search(r"number (\d+) is$", text)
        number = asked[1] if task == "needle" else max(lines, key=int)
        assert names[prompt.answer] == lines[number]
        line = decode(prompt.ids[prompt.item.start : prompt.item.stop])
        assert line.strip() == f"{number} {lines[number]}"


def test_letters_that_share_a_token_are_passed_over():
    shared = {ord(letter) + 1000: 0 for letter in "ACE"}
    odd = SimpleNamespace(
        encode=lambda prompt: [shared.get(each, each) for each in encode(prompt)], name="odd"
    )
    assert list(lists.letters(odd))[:4] == ["A", "B", "D", "F"]
    same = SimpleNamespace(encode=lambda prompt: [7 for _ in encode(prompt)], name="same")
    with pytest.raises(ValueError, match=r"same: expected 10 letters .*, found 1"):
        lists.letters(same)


def test_lists_that_do_not_fit_the_context_are_left_out():
    found = adaptive_models.sets(engine(), list("AB"), [2, 4, 200], 2, "test", 1)
    assert set(found) == {(task, items) for task in lists.QUESTIONS for items in (2, 4)}
    again = adaptive_models.sets(engine(), list("AB"), [2], 2, "fit", 1)
    assert again["needle", 2] != found["needle", 2]
