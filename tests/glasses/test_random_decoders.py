"""Random decoders against a token-by-token implementation, and the effect of precision."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.glasses import naive
from workflow_scripts.glasses import collapse, metrics, random_decoders
from workflow_scripts.glasses.random_decoders import Attention
from workflow_scripts.shared.fingerprint import ROOT

torch.set_num_threads(1)
SEEDS, WIDTH, TOKENS = 2, 8, 14
LENGTHS = [1, 2, 5, 9, 14]
WAYS = [Attention(encoding) for encoding in random_decoders.ENCODINGS] + [
    Attention("none", window=3),
    Attention("rotary", window=4),
    Attention("none", sink=True),
    Attention("alibi", sink=True),
]


@pytest.fixture(scope="module")
def made():
    streams = collapse.generators(3, SEEDS, "test")
    weights = random_decoders.draw(streams, 3, WIDTH)
    tokens = torch.cat([collapse.normal(stream, 1, TOKENS, WIDTH) for stream in streams])
    return weights, tokens


def both(states, length):
    """A sequence's first `length` tokens, and the same with the last one repeated."""
    plain = states[:length].numpy()
    return plain, np.concatenate([plain, plain[-1:]])


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_every_length_in_one_pass_is_each_sequence_by_itself(made, how, monkeypatch):
    monkeypatch.setattr(random_decoders, "BLOCK", 4)  # so that blocks are crossed
    weights, tokens = made
    found = random_decoders.read(weights, tokens, LENGTHS, [1, 3], "float64", how)
    for depth, pair in found.items():
        for seed in range(SEEDS):
            for column, length in enumerate(LENGTHS):
                sides = (pair.plain, pair.repeated)
                for side, own in zip(sides, both(tokens[seed], length), strict=True):
                    wanted = naive.decode(weights, seed, own, depth, how)[-1]
                    np.testing.assert_allclose(side[seed, column], wanted, atol=1e-10)


def unit(states):
    return states / np.linalg.norm(states, axis=1, keepdims=True)


@pytest.mark.parametrize("length_one", [False, True])
@pytest.mark.parametrize("encoding", random_decoders.ENCODINGS)
def test_independent_queries_keys_and_values(encoding, length_one):
    generator = torch.Generator().manual_seed(5)
    drawn = tuple(collapse.normal(generator, 1, TOKENS, WIDTH) for _ in range(3))
    how = Attention(encoding, slope=0.3)
    found = random_decoders.read_independent(drawn, LENGTHS, "float64", how, unit=length_one)
    for column, length in enumerate(LENGTHS):
        for side in range(2):
            q, k, v = (both(states[0], length)[side] for states in drawn)
            if encoding == "sinusoidal":  # on queries and keys, not on values
                shift = np.array([naive.sinusoid(i, WIDTH) for i in range(len(q))])
                q, k = q + shift, k + shift
            if length_one:
                q, k, v = unit(q), unit(k), unit(v)
            wanted = naive.attend(q, k, v, how)[-1]
            np.testing.assert_allclose(found[side][0, column], wanted, atol=1e-10)


@pytest.fixture(scope="module")
def figures():
    """Scores of E6 and E8 at the paper's lengths and width, ten seeds."""
    lengths = [5, 10, 100, 500, 1000, 5000, 10_000]
    return pd.DataFrame(collapse.independent(lengths, 10, 64, ["float64"], 1))


DIGITISED = pd.read_csv(
    ROOT / "resources/published/glasses_gap_digitised.csv", dtype={"figure": str}
)
ENCODED = {"none": "none", "sinusoidal": "sinusoidal", "alibi": "alibi", "rotary": "rope"}


@pytest.mark.parametrize("encoding", random_decoders.ENCODINGS)
def test_figure_10_is_reproduced(figures, encoding):
    """Unit length, sinusoids on queries and keys, ALiBi before the division; reading error 3 %."""
    shown = DIGITISED[DIGITISED["series"] == f"random layer; encoding {ENCODED[encoding]}"]
    own = figures[(figures["experiment"] == "E8") & (figures["encoding"] == encoding)]
    own = own[own["metric"] == "gap_l1"].set_index("length")["value"]
    for _, point in shown.dropna(subset=["mean"]).iterrows():
        # The paper's few seeds add some percent, at 5,000 more: RoPE stands 1.5 times higher.
        room = 0.12 if point["length"] < 5000 else 0.4
        assert own[point["length"]] == pytest.approx(point["mean"], rel=room), point["length"]
    if encoding == "none":
        np.testing.assert_allclose(
            own[own.index >= 100] * own.index[own.index >= 100], 6.4, rtol=0.06
        )


def test_figure_8_is_reproduced_only_with_values_free_of_sinusoids(figures):
    """L-infinity; reading error 10 %, and the paper's seeds are few."""
    shown = DIGITISED[DIGITISED["figure"] == "8"]
    own = figures[(figures["experiment"] == "E6") & (figures["metric"] == "gap_linf")]
    parts = {part: rows.set_index("length")["value"] for part, rows in own.groupby("part")}
    for _, point in shown.iterrows():
        room = 0.25 if point["length"] < 5000 else 0.35
        assert parts["attention"][point["length"]] == pytest.approx(point["mean"], rel=room)
    assert parts["values"][5000] > 20 * shown.set_index("length")["mean"][5000]


def test_the_gap_vanishes_as_published_and_levels_off_with_sinusoids_on_values(figures):
    limits = figures[(figures["metric"] == "limit_linf") & (figures["experiment"] == "E6")]
    limits = limits.set_index("part")
    assert limits.loc["attention", "ci_high"] < metrics.BFLOAT16_LINE
    assert limits.loc["values", "ci_low"] > 5 * metrics.BFLOAT16_LINE


def test_rotary_sees_distance_only():
    generator = torch.Generator().manual_seed(0)
    query, key = (collapse.normal(generator, 1, 1, WIDTH) for _ in range(2))

    def logit(at, other):
        turned = (
            random_decoders.rotate(query, torch.tensor([at])),
            random_decoders.rotate(key, torch.tensor([other])),
        )
        return float((turned[0] * turned[1]).sum())

    assert logit(7, 3) == pytest.approx(logit(90_007, 90_003), abs=1e-9)
    assert abs(logit(7, 3) - logit(7, 4)) > 1e-3


@pytest.mark.parametrize(("precision", "room"), [("float32", 1e-4), ("float16", 0.05)])
def test_lower_precisions_round_the_same_numbers(made, precision, room):
    weights, tokens = made
    exact = random_decoders.read(weights, tokens, LENGTHS, [2], "float64", Attention("rotary"))[2]
    low = random_decoders.read(weights, tokens, LENGTHS, [2], precision, Attention("rotary"))[2]
    assert low.plain.dtype == random_decoders.DTYPES[precision]
    error = (low.plain.double() - exact.plain).abs().max()
    assert 0 < error < room


def test_the_coarser_the_type_the_larger_the_error(made):
    weights, tokens = made
    errors = []
    exact = random_decoders.read(weights, tokens, LENGTHS, [3], "float64", Attention())[3].repeated
    for precision in ("float32", "float16", "bfloat16"):
        found = random_decoders.read(weights, tokens, LENGTHS, [3], precision, Attention())[
            3
        ].repeated
        errors.append(float((found.double() - exact).abs().mean()))
    assert errors[0] * 100 < errors[1] < errors[2] / 3


def test_a_longer_sequence_takes_weights_in_proportion_and_never_in_its_square(monkeypatch):
    weighed = random_decoders.weights_of
    most = []

    def noting(*given):
        found = weighed(*given)
        most[-1] = max(most[-1], found.numel())
        return found

    monkeypatch.setattr(random_decoders, "weights_of", noting)
    monkeypatch.setattr(random_decoders, "BLOCK", 16)
    weights = random_decoders.draw(collapse.generators(0, 1, "test"), 2, 4)
    for size in (200, 400):
        most.append(0)
        tokens = collapse.normal(torch.Generator().manual_seed(0), 1, size, 4)
        random_decoders.read(weights, tokens, [2, 20, size], [2], "float32", Attention())
        assert most[-1] <= 16 * size
    assert most[1] == pytest.approx(2 * most[0], rel=0.05)


def test_gaps_are_distances_of_the_two_sides():
    plain = torch.tensor([[[1.0, -4.0], [0.5, 0.5]]])
    repeated = torch.tensor([[[1.5, -2.0], [0.5, 0.5]]])
    found = {
        name: each.tolist()
        for name, each in random_decoders.gaps(
            random_decoders.Pair(plain, repeated), "bfloat16"
        ).items()
    }
    assert found == {
        "gap_l1": [[2.5, 0.0]],
        "gap_linf": [[2.0, 0.0]],
        "equal": [[0.0, 1.0]],
        "ulps": [[64.0, 0.0]],  # each coordinate in its own unit: 2^-7 of 1.5, 2^-5 of 4
    }


def test_digits_stand_between_separators_and_end_on_a_digit():
    streams = collapse.generators(1, 2, "test")
    tokens = collapse.digits(streams, 40, 8, True)
    marks = [i for i in range(40) if torch.equal(tokens[0, i], tokens[0, collapse.GROUP])]
    assert marks == list(range(3, 40, 4))
    # The last digit's group has room: repeating the digit crosses no separator.
    assert collapse.separated([4, 9, 30]) == [5, 9, 29]
    assert all((length - 1) % 4 == 0 for length in collapse.separated(list(range(4, 60))))
    plain = collapse.digits(collapse.generators(1, 2, "test"), 40, 8, False)
    assert len({tuple(row) for row in plain[1].tolist()}) <= collapse.DIGITS


@pytest.mark.parametrize("encoding", ["none", "alibi", "rotary"])
def test_no_window_keeps_ones_apart_beyond_its_reach_through_the_layers(encoding):
    """Beyond window x depth the last token sees ones only, so n and n + 1 agree."""
    weights = random_decoders.draw(collapse.generators(2, 1, "test"), 2, 8)
    tokens = collapse.ones([torch.Generator().manual_seed(1)], 40, 8)
    lengths = [6, 2 * 4 + collapse.PREFIX, 40]
    for window, least in ((4, 0.0), (None, 1e-4)):
        where = Attention(encoding, window=window)
        pair = random_decoders.read(weights, tokens, lengths, [2], "float64", where)[2]
        gap = (pair.plain - pair.repeated).abs().amax(-1)[0]
        assert gap[0] > 1e-3
        assert (gap[1:] > least).all() if window is None else (gap[1:] < 1e-13).all()


def test_ones_stand_behind_a_prefix_of_other_tokens():
    (tokens,) = collapse.ones(collapse.generators(1, 1, "test"), 9, 8)
    kinds = [int(np.argmax([torch.equal(t, o) for o in tokens])) for t in tokens]
    assert kinds == [0, 1, 2, 3, 3, 3, 3, 3, 3]
