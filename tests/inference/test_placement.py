"""A model whose layers are on two devices computes what it computes on one."""

import numpy as np
import pytest
import torch

from tests.inference import tiny, two_devices
from tests.inference.two_devices import FIRST, SECOND
from workflow_scripts.glasses import model_gaps, model_sensitivity
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.inference import agreement, engines, placement, requests
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.tasks import Draw, Score
from workflow_scripts.inference.transformers_engine import TransformersEngine
from workflow_scripts.parallel_sequential import heads
from workflow_scripts.perplexity import digits
from workflow_scripts.perplexity import models as copies
from workflow_scripts.softmax import models as dispersion
from workflow_scripts.softmax import probe

torch.set_num_threads(1)
IDS = list(range(10, 60))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("tiny") / "model", sliding_window=16)
    return engines.load("tiny", tiny.SPEC, str(folder), attention="eager")


@pytest.fixture
def spread(engine):
    """The same model, its second layer on another device."""
    with two_devices.devices():
        model = two_devices.spread(engine.model)
        assert {parameter.device for parameter in model.parameters()} == {FIRST, SECOND}
        own = TransformersEngine(
            "tiny", engine.spec, model, engine.tokenizer, {}, engine.draws_as, 2048, True
        )
        yield own


def test_the_devices_of_the_test_refuse_what_gpus_refuse():
    with two_devices.devices():
        left, right = torch.ones(2, device=FIRST), torch.ones(2, device=SECOND)
        assert (left + right.to(FIRST)).cpu().tolist() == [2, 2]
        for other in (right, torch.ones(2)):
            with pytest.raises(RuntimeError, match="tensors on"):
                left + other
        with pytest.raises(RuntimeError, match="tensors on"):
            left[torch.tensor([0], device=SECOND)]


def test_replies_and_scores_are_the_same(engine, spread):
    """Prompts with a common prefix, draws that join while others are in flight, options, echo."""
    asked = requests.table(
        [
            requests.request(
                f"item {number}",
                prompt=tiny.WORDS * (1 + number % 2) + "seven hills lie south " * (number % 3),
                max_tokens=4 + 5 * (number % 3),
                temperature=1.0,
                n=4,
                choices=["a river", " a town", "seven hills"],
                echo_logprobs=True,
                seed=number,
            )
            for number in range(9)
        ]
    ).to_dict("records")
    tasks = [Draw(each, sample) for each in asked for sample in range(4)]
    tasks += [Score(each) for each in asked]

    def done(one):
        found = {(row["request_id"], row["sample"]): row for rows in one.run(tasks) for row in rows}
        return {key: {**row, "rendered": None} for key, row in found.items()}

    engine.batch_tokens = 2048
    assert done(spread) == done(engine)


def test_every_study_of_the_inside_reads_the_same(engine, spread):
    def read(model):
        found = [*dispersion.last_entropies(model, IDS).values()]
        found += [dispersion.spreads(model, IDS, 8), heads.attentions(model, torch.tensor([IDS]))]
        with heads.without(model, [(1, 1)]):
            found.append(np.array(heads.continuation_logprob(model, IDS, 4)))
        for precision in ("float64", "bfloat16", "int8_weights", "int4_cache"):
            with model_gaps.in_precision(model, precision, Change()) as own:
                found.append(model_gaps.Reader(own).read(IDS, (3, 49)))
        return found

    for one, other in zip(read(spread.model), read(engine.model), strict=True):
        np.testing.assert_array_equal(one, other)
    assert spread.model.dtype == torch.float32  # only the copies were converted


def test_the_checks_of_a_model_run_on_its_devices(engine, spread):
    agreement.check(spread)
    agreement.reproduces(spread, "softmax", probe.watching(spread.model, [0], lambda *_: None))
    agreement.reproduces(spread, "glasses", changed(spread.model, Change()))
    tokens = engine.encode(prompt=agreement.TEXT)[: agreement.TOKENS]
    wanted = agreement.eager_logits(engine.model, tokens)
    moved = agreement.rounding(spread.model, tokens, wanted.to(FIRST))
    assert moved == agreement.rounding(engine.model, tokens, wanted) > 0


def test_log_probabilities_of_a_copy_are_the_same(engine, spread):
    spelt = digits.Spelling(IDS, [10] * 4, [0, 1, 2, 3], [[10, 11]] * 4)
    bits = [[0, 1, 0, 1]]
    (found,), (wanted,) = (copies.distributions(one, [spelt], bits) for one in (spread, engine))
    assert found.device == FIRST
    assert torch.equal(found.cpu(), wanted)
    (found,), (wanted,) = (copies.greedy(one, [spelt], bits) for one in (spread, engine))
    assert found[0] == wanted[0]
    assert torch.equal(found[1].cpu(), wanted[1])


def test_backward_passes_are_on_a_copy_on_one_device(engine):
    with two_devices.devices():
        own = model_sensitivity.measurable(two_devices.spread(engine.model))
    found = model_sensitivity.norms(own, IDS[:6]).by_kind()
    wanted = model_sensitivity.norms(model_sensitivity.measurable(engine.model), IDS[:6]).by_kind()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_gpus_of_an_entry_are_the_first_ones(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (100 + gpu, 200))
    assert placement.over_gpus("big", {"devices": 2}) == {
        "device_map": "balanced",
        "max_memory": {0: 100, 1: 101},
    }
    assert placement.over_gpus("small", {}) == {}
    with pytest.raises(EngineError, match=r"models\.big\.devices: expected 4 GPUs, found 3"):
        placement.over_gpus("big", {"devices": 4})


def test_without_a_gpu_a_model_of_several_runs_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert placement.over_gpus("big", {"devices": 2}) == {}


def test_a_model_that_its_gpus_do_not_hold_is_refused_in_one_line(engine):
    model = placement.copied(engine.model)
    model.hf_device_map = {"model.embed_tokens": 0, "model.layers.1": "disk"}
    with pytest.raises(EngineError, match=r"models\.big\.devices: .* 1 of its 2 parts .* set more"):
        placement.place(model, "big")
