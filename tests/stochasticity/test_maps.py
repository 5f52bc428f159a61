"""Images of given numbers and small generators, compared with independent computations."""

import numpy as np
import pytest
from scipy import stats

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import maps, parsing


def test_images_of_uniform_numbers_have_the_target_distribution():
    rng = np.random.default_rng(1)
    for name, law in (("identity", stats.uniform()), ("inverse_normal", stats.norm())):
        images = [maps.truth(name, maps.given(rng, name)) for _ in range(2000)]
        assert stats.kstest(images, law.cdf).pvalue > 1e-4
    digits = [int(maps.truth("bucket", maps.given(rng, "bucket"))) for _ in range(2000)]
    assert stats.chisquare(np.bincount(digits, minlength=10)).pvalue > 1e-4
    pairs = [maps.truth("box_muller", maps.given(rng, "box_muller")) for _ in range(2000)]
    assert stats.kstest(pairs, stats.norm.cdf).pvalue > 1e-4


def test_closed_forms():
    assert maps.truth("bucket", "0.731") == 7
    assert maps.truth("inverse_normal", "0.975") == pytest.approx(1.96, abs=0.005)
    assert maps.truth("scale", "0.25") == pytest.approx(2.5)


def test_right_is_exact_for_digits_and_to_the_last_place_for_reals():
    assert maps.right_image("bucket", [7.0, 8.0], maps.truth("bucket", "0.731")).tolist() == [1, 0]
    true = maps.truth("inverse_normal", "0.9")
    results = [round(true, maps.decimals("inverse_normal")), true + 0.1]
    assert maps.right_image("inverse_normal", results, true).tolist() == [1, 0]


def test_a_congruential_generator_follows_its_formula():
    values = words.lcg_values(5, 3, 16, 7, 6)
    x = 7
    for value in values:
        x = (5 * x + 3) % 16
        assert value == x


def test_xorshift_is_linear_over_bits_and_never_reaches_zero():
    for bits in (8, 16):
        starts = (3, 77)
        a, b = (maps.xorshift_values(bits, start, 5) for start in starts)
        both = maps.xorshift_values(bits, starts[0] ^ starts[1], 5)
        assert [x ^ y for x, y in zip(a, b, strict=True)] == both
        assert all(0 < x < 2**bits for x in a)


def test_given_numbers_are_not_those_of_training():
    rng = np.random.default_rng(2)
    held_out = {maps.given(rng, "bucket") for _ in range(300)}
    trained = {words.external(rng, "train") for _ in range(3000)}
    assert not held_out & trained


def test_a_bare_right_reply_is_read_as_right():
    for style, case in (("lcg-16", [5, 3, 16, 7]), ("xorshift-8", [8, 77])):
        assert parsing.steps(maps.worked(style, case, 5), 5) == maps.sequence(style, case, 5)
