"""Random decoders against a token-by-token implementation, and the effect of precision."""

import numpy as np
import pytest
import torch

from tests.glasses import naive
from workflow_scripts.glasses import collapse, random_decoders
from workflow_scripts.glasses.random_decoders import Attention

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


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_one_attention_alone(made, how):
    weights, tokens = made
    pair = random_decoders.read_attention(weights, tokens, LENGTHS, "float64", how)
    query, key, value = (matrix[0, 1].numpy() for matrix in weights[:3])
    for column, length in enumerate(LENGTHS):
        sides = (pair.plain, pair.repeated)
        for side, own in zip(sides, both(tokens[1], length), strict=True):
            if how.encoding == "sinusoidal":
                own = own + np.array([naive.sinusoid(i, WIDTH) for i in range(len(own))])
            wanted = naive.attend(own @ query, own @ key, own @ value, how)[-1]
            np.testing.assert_allclose(side[1, column], wanted, atol=1e-10)


@pytest.mark.parametrize("encoding", random_decoders.ENCODINGS)
def test_independent_queries_keys_and_values(encoding):
    generator = torch.Generator().manual_seed(5)
    drawn = tuple(collapse.normal(generator, 1, TOKENS, WIDTH) for _ in range(3))
    how = Attention(encoding)
    plain, normed = random_decoders.read_independent(drawn, LENGTHS, "float64", how)
    for column, length in enumerate(LENGTHS):
        for side in range(2):
            q, k, v = (both(states[0], length)[side] for states in drawn)
            if encoding == "sinusoidal":
                shift = np.array([naive.sinusoid(i, WIDTH) for i in range(len(q))])
                q, k, v = q + shift, k + shift, v + shift
            wanted = naive.attend(q, k, v, how)[-1]
            np.testing.assert_allclose(plain[side][0, column], wanted, atol=1e-10)
            np.testing.assert_allclose(normed[side][0, column], naive.norm(wanted), atol=1e-10)


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
        for name, each in random_decoders.gaps(random_decoders.Pair(plain, repeated)).items()
    }
    assert found == {
        "gap_l1": [[2.5, 0.0]],
        "gap_linf": [[2.0, 0.0]],
        "equal": [[0.0, 1.0]],
        "scale": [[4.0, 0.5]],
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


def test_no_window_keeps_equal_tokens_apart():
    """Ones only: all values are alike, so n and n + 1 agree whatever the weights."""
    weights = random_decoders.draw(collapse.generators(2, 1, "test"), 1, 8)
    tokens = collapse.normal(torch.Generator().manual_seed(1), 1, 1, 8).expand(1, 40, 8)
    where = Attention("none", window=4)
    pair = random_decoders.read(weights, tokens, [10, 40], [1], "float64", where)[1]
    assert float((pair.plain - pair.repeated).abs().max()) < 1e-14
