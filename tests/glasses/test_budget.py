"""Precision budget: units, closed forms of a running mean, errors of random decoders, the rule."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inference import tiny
from workflow_scripts.glasses import budget, measurements_budget, metrics, rounding_errors, scores
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.glasses.rounding_errors import Errors, Format
from workflow_scripts.inference import engines, placement
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared import tables

torch.set_num_threads(1)
FLOATS = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
NONE, SEEN, FIRST, ONE = range(4)  # tokens of the running mean: two answers, two inputs


class Mean(torch.nn.Module):
    """The running mean, summed exactly and rounded once, as an accelerator would."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        count = torch.arange(1, states.shape[1] + 1, dtype=torch.float64)
        return (states.double().cumsum(1) / count[:, None]).to(states.dtype)


class RunningMean(torch.nn.Module):
    """Says whether a first token of value 2 came before ones: n tokens have the mean 1 + 1/n.

    The logit of SEEN is the mean less 1, that of NONE is 0.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(4, 1)
        self.mean = Mean()
        self.head = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.embed.weight.copy_(torch.tensor([[0.0], [0.0], [2.0], [1.0]]))
            self.head.weight.copy_(torch.tensor([[0.0], [1.0]]))
            self.head.bias.copy_(torch.tensor([0.0, -1.0]))

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head

    def forward(self, input_ids: torch.Tensor, use_cache: bool) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.mean(self.embed(input_ids))))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("tiny") / "model", layers=2, spread=0.3)
    return engines.load("tiny", tiny.SPEC, str(folder), attention="eager")


@pytest.fixture(scope="module")
def net(engine):
    return placement.copied(engine.model).float().requires_grad_(True)


@pytest.mark.parametrize("name", FLOATS)
def test_a_unit_is_the_distance_of_neighbouring_numbers(name):
    dtype = getattr(torch, name)
    codes = torch.arange(2 ** (8 * dtype.itemsize - 1), dtype=torch.int32)
    whole = codes.to(torch.uint8 if dtype.itemsize == 1 else torch.int16)
    every = whole.view(dtype).double()  # the positive numbers, in order
    every = every[every.isfinite()]
    units = rounding_errors.unit(every, name)
    np.testing.assert_array_equal(units[:-1], every.diff())


@pytest.mark.parametrize("name", [*FLOATS, "int8", "int4"])
def test_rounding_moves_a_number_by_half_a_unit_at_most(name):
    states = torch.randn(40, 16, generator=torch.Generator().manual_seed(1))
    moved = rounding_errors.rounded(states, name) - states
    unit = rounding_errors.unit(states, name)
    assert (moved.abs() <= unit / 2 * (1 + 1e-5)).all()
    assert (moved.abs() > unit / 4).float().mean() > 0.3  # uniform: half of them


def test_numbers_beyond_an_8_bit_float_become_its_largest():
    found = rounding_errors.rounded(torch.tensor([1e6, -1e6, 3.0]), "float8_e4m3fn")
    assert found.tolist() == [448.0, -448.0, 3.0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_running_mean_loses_its_first_token_at_the_length_in_closed_form(dtype):
    """1 + 1/n rounds to 1 from n = 2^(m + 1) on, with m bits of mantissa."""
    known = 2 ** (metrics.MANTISSA_BITS[dtype] + 1)
    model, each = RunningMean(), Format(dtype, dtype)
    lengths = sorted({known // 8, known - 1, *(known * part // 64 for part in range(32, 160, 2))})
    rows = []
    for length in lengths:
        tokens = [FIRST, *[ONE] * (length - 1), SEEN]
        (errors,) = rounding_errors.predicted(model, tokens, length, [each], 3)[each]
        assert errors.margin == pytest.approx(1 / length, rel=1e-3)
        assert errors.units == pytest.approx(known / 2 / length, rel=1e-3)
        assert errors.shift == 0  # the weights are numbers of the format
        rows.append({"length": length, **budget.summary([errors])})
    model.to(getattr(torch, dtype))
    for row in rows:
        tokens = [FIRST, *[ONE] * (row["length"] - 1), SEEN]
        logits = rounding_errors.run(model, tokens)
        row["lost"] = not rounding_errors.unchanged(logits, tokens, row["length"])
    found = budget.task_rows(pd.DataFrame(rows), max(lengths), task="count", precision=dtype)
    told = {row["metric"]: row["value"] for row in found if "length" not in row}
    assert told["lost_length"] == known
    # The worst case happens: the mean rounds down to 1. In float32 the margin of 1/n is known to
    # 2^-24, so that n - 1 may count as possible, too.
    assert known - 1 <= told["possible_length"] <= known
    assert told["safe_lost"] == 0
    # Errors here repeat from length to length, and are taken as independent.
    assert known <= told["predicted_length"] <= 2 * known


def prompts(count: int) -> list[list[int]]:
    rng = np.random.default_rng(3)
    return [rng.integers(10, 300, rng.integers(8, 30)).tolist() for _ in range(count)]


def replied(net, tokens: list[int]) -> list[int]:
    """The tokens and the likeliest next one."""
    with torch.inference_mode():
        return [*tokens, int(rounding_errors.run(net, tokens)[-1].argmax())]


def attending(net):
    return lambda seen: changed(net, Change(stored=seen.keep))


def repeated(count: int) -> list[list[int]]:
    """A few tokens and then one token many times."""
    rng = np.random.default_rng(3)
    return [
        [
            *rng.integers(10, 300, 3).tolist(),
            *[int(rng.integers(10, 300))] * int(rng.integers(10, 40)),
        ]
        for _ in range(count)
    ]


@pytest.mark.parametrize("asked", [prompts, repeated])
@pytest.mark.parametrize(
    ("each", "least", "most"),
    [
        (Format("float32", "bfloat16"), 0.7, 1.3),
        (Format("float32", "int8"), 0.7, 1.3),
        # Queries after positions, and weights of attention, are rounded too.
        (Format("bfloat16", "bfloat16"), 0.7, 1.6),
    ],
)
def test_the_predicted_spread_is_that_of_the_errors_that_a_format_makes(
    net, each, least, most, asked
):
    told, scaled = [], []
    for prompt in asked(40):
        tokens, start = replied(net, prompt), len(prompt)
        found = rounding_errors.predicted(net, tokens, start, [each], 1, replaced=attending(net))
        with torch.inference_mode():
            logits = rounding_errors.run(net, tokens)[start - 1]
        rival = int(logits.scatter(0, torch.tensor(tokens[-1]), -math.inf).argmax())
        told.append((tokens, rival, found[each][0]))
    with budget.in_format(net, each) as own, torch.inference_mode():
        for tokens, rival, errors in told:
            there = rounding_errors.run(own, tokens)[-2].double()
            moved = float(there[tokens[-1]] - there[rival]) - errors.margin
            assert abs(moved) <= errors.bound + abs(errors.shift)
            scaled.append((moved - errors.shift) / errors.spread)
    assert least < np.std(scaled) < most


def test_the_shift_is_what_rounding_the_weights_alone_does(net):
    each, pairs = Format("float16", "float16"), []
    with torch.no_grad():
        rounded = placement.copied(net)
        for parameter in rounded.parameters():
            parameter.copy_(parameter.half().float())
    for prompt in prompts(12):
        tokens, start = replied(net, prompt), len(prompt)
        found = rounding_errors.predicted(net, tokens, start, [each], 1, replaced=attending(net))
        (errors,) = found[each]
        with torch.inference_mode():
            logits = rounding_errors.run(net, tokens)[start - 1]
            rival = int(logits.scatter(0, torch.tensor(tokens[-1]), -math.inf).argmax())
            there = rounding_errors.run(rounded, tokens)[start - 1]
        pairs.append((errors.shift, float(there[tokens[-1]] - there[rival]) - errors.margin))
    shifts, moved = np.array(pairs).T
    assert np.abs(shifts - moved).max() < 0.1 * np.abs(moved).max()


@pytest.mark.parametrize("apart", [0.0, 0.1, 0.4, 3.25])
def test_numbers_at_known_distances_are_rounded_alike(apart):
    """Three numbers `apart` units from each other, at a place between two units that is random."""
    slopes = torch.tensor([1.0, 0.5, -0.3]).double()
    numbers = torch.arange(3).double() * apart
    drawn = numbers + torch.rand(50_000, 1, generator=torch.Generator().manual_seed(2)).double()
    variance = float(((drawn.round() - drawn) @ slopes).var())
    shape = (1, 3, 1)
    own = (slopes.view(shape), (numbers + 0.3).view(shape), torch.ones(shape).double())
    told = float((slopes**2).sum()) / 12 + rounding_errors.shared_variance(
        *own, torch.zeros(3, dtype=torch.int64)
    )
    assert told == pytest.approx(variance, rel=0.1, abs=0.005)


def test_numbers_with_other_units_are_rounded_independently():
    slopes, numbers = torch.ones(1, 2, 1).double(), torch.ones(1, 2, 1).double()
    units = torch.tensor([1.0, 2.0]).double().view(1, 2, 1)
    same, ones = torch.zeros(2, dtype=torch.int64), torch.ones(1, 2, 1).double()
    assert rounding_errors.shared_variance(slopes, numbers, units, same) == pytest.approx(0)
    assert rounding_errors.shared_variance(slopes, numbers, ones, same) > 0.1
    assert rounding_errors.shared_variance(slopes, numbers, ones, torch.arange(2)) == pytest.approx(
        0
    )


def test_equal_tokens_are_found():
    assert rounding_errors.kinds([5, 7, 5, 9, 7, 5]).tolist() == [0, 1, 0, 2, 1, 0]


def test_a_cache_rounds_only_what_has_more_bits():
    assert not rounding_errors.coarser("float32", "bfloat16")
    assert not rounding_errors.coarser("float16", "bfloat16")
    assert rounding_errors.coarser("bfloat16", "float16")
    assert rounding_errors.coarser("int8", "bfloat16")


def test_the_probability_is_that_of_a_sum_of_uniform_errors():
    parts = np.array([0.1, 0.2, 0.3, 0.15])  # half units times slopes
    drawn = np.random.default_rng(0).uniform(-parts, parts, (200_000, 4)).sum(1)
    spread, bound = math.sqrt((parts**2).sum() / 3), parts.sum()
    for left in (-0.4, -0.1, 0.0, 0.2, 0.4):
        found = Errors(left - 0.05, 0.05, spread, bound, 1.0).probability()
        assert found == pytest.approx((drawn > left).mean(), abs=0.02)
    assert Errors(0.76, 0.0, spread, bound, 1.0).probability() == 0
    assert Errors(-0.76, 0.0, spread, bound, 1.0).probability() == 1
    assert Errors(0.0, 0.0, 0.0, 0.0, 1.0).probability() == 1


def test_a_first_loss_of_constant_probability_is_geometric():
    found = budget.first_loss(range(1, 201), [0.03] * 200)
    ends = [math.ceil(math.log(1 - q) / math.log(0.97)) for q in (0.5, 0.025, 0.975)]
    assert found[:3] == tuple(ends)
    assert found.n == 200
    beyond = budget.first_loss([1, 2], [0.0, 0.1])
    assert np.isnan(beyond.value)
    assert beyond.low == 2
    assert np.isnan(beyond.high)


@pytest.mark.parametrize(
    ("task", "text", "expected"),
    [
        ("count", "4", True),
        ("count", "There are 4 ones.", True),
        ("count", "4 or 5", False),
        ("count", "1111 has 4", False),
        ("copy", "1111", True),
        ("copy", "11111", False),
        ("copy", "none", False),
    ],
)
def test_replies_are_read_strictly(task, text, expected):
    assert budget.right(task, "1111", text) == expected


SETTINGS = {
    "lengths": [2, 5, 9],
    "reply_tokens": 4,
    "steps": 2,
    "formats": [
        {"dtype": "bfloat16", "cache": "float8_e4m3fn"},
        {"dtype": "float32", "cache": "int4"},
    ],
}


def scored(folder, engine, monkeypatch, settings=SETTINGS) -> pd.DataFrame:
    monkeypatch.setattr(engines, "load", lambda *_, **__: engine)
    path = folder / "budget.parquet"
    budget.main("tiny", {}, "", {"wording": "short"}, str(path), settings, {})
    return shared_scores.table([tables.read(path)], scores.CONDITIONS, scores.WHOLE, scores.TEXTS)


def test_a_model_that_is_never_right_has_nothing_to_lose(tmp_path, engine, monkeypatch):
    frame = scored(tmp_path, engine, monkeypatch)
    assert set(frame["metric"]) == {"right"}
    assert (frame["value"] == 0).all()
    for test in (measurements_budget.safe_lost, measurements_budget.as_predicted):
        assert "right in float32" in test(frame, lambda _: None).reason


def test_every_format_is_predicted_and_run(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(budget, "right", lambda *_: True)
    frame = scored(tmp_path, engine, monkeypatch)
    lost = frame[frame["metric"] == "lost"]
    assert len(lost) == len(budget.TASKS) * 3 * 2
    for keys, own in frame.groupby(["task", "precision", "cache"]):
        told = own[own["length"].isna()].set_index("metric")["value"]
        if keys[1:] == ("float32", "float32"):
            continue
        flags = own[own["metric"] == "lost"]
        assert told["losses"] == flags["value"].sum()
        first = flags.loc[flags["value"] == 1, "length"]
        assert first.empty == np.isnan(told["lost_length"])
        assert first.empty or first.min() == told["lost_length"]


def test_a_length_beyond_the_context_is_refused_before_anything_is_computed(
    tmp_path, engine, monkeypatch
):
    monkeypatch.setattr(rounding_errors, "run", None)
    with pytest.raises(EngineError, match=r"glasses\.budget\.lengths: 200 digits"):
        scored(tmp_path, engine, monkeypatch, SETTINGS | {"lengths": [2, 200]})


def test_a_length_beyond_the_longest_lies_in_an_open_interval_only():
    nan = math.nan
    assert measurements_budget.inside(5, 4, nan)
    assert measurements_budget.inside(nan, 4, nan)
    assert measurements_budget.inside(nan, nan, nan)
    assert not measurements_budget.inside(5, nan, nan)
    assert not measurements_budget.inside(nan, 4, 9)
    assert not measurements_budget.inside(10, 4, 9)
