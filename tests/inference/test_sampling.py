"""Drawn tokens against exact distributions, and the filters against transformers' own."""

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import TopKLogitsWarper, TopPLogitsWarper

from workflow_scripts.inference import filters, noise, sampling, selection

LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -3.0, 1.5])
# Sizes around one block and several, ends included.
SIZES = (1, 2, 127, 128, 129, 300, 2049)
TURNS = sampling.TRIES + 1


def keys_of(count, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**62), 2**62, (count,), generator=generator)


def draw(logits, count, temperature=1.0, top_k=0, top_p=1.0, seed=5):
    return sampling.choose(
        logits.expand(count, -1),
        torch.full((count,), temperature),
        torch.full((count,), top_k),
        torch.full((count,), top_p, dtype=torch.float64),
        keys_of(count, seed),
        torch.zeros(count, dtype=torch.int64),
    )


def exact(logits, temperature=1.0, top_k=0, top_p=1.0):
    """The distribution in float64, shape (vocabulary,)."""
    scaled = logits[None].double() / temperature
    if top_k:
        scaled = TopKLogitsWarper(top_k)(None, scaled)
    return TopPLogitsWarper(top_p)(None, scaled).softmax(-1)[0].numpy()


def fits(counts, probabilities):
    """p value of a chi-square test; cells that expect fewer than 10 draws are one cell."""
    expected = probabilities * counts.sum()
    rare = expected < 10
    observed, expected = (
        np.append(each[~rare], each[rare].sum()) for each in (counts.astype(float), expected)
    )
    if expected[-1] < 10:
        assert observed[-1] <= 40
        observed, expected = observed[:-1], expected[:-1]
    return stats.chisquare(observed, expected / expected.sum() * observed.sum()).pvalue


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ((1.0, 0, 1.0), 2_000_000),
        ((0.5, 0, 1.0), 200_000),
        ((2.0, 0, 1.0), 200_000),
        ((1.0, 3, 1.0), 200_000),
        ((1.0, 0, 0.8), 2_000_000),
        ((1.3, 5, 0.9), 200_000),
    ],
)
def test_draws_follow_the_exact_distribution(settings, count, dtype):
    logits = LOGITS.to(dtype)
    probabilities = exact(logits, *settings)
    counts = np.bincount(draw(logits, count, *settings), minlength=len(LOGITS))
    assert counts[probabilities == 0].sum() == 0
    kept = probabilities > 0
    assert fits(counts[kept], probabilities[kept]) > 1e-3


@pytest.mark.parametrize(
    ("settings", "draws"),
    [((1.0, 0, 1.0), 200_000), ((1.0, 40, 1.0), 20_000), ((1.0, 0, 0.9), 20_000)],
)
def test_draws_from_many_blocks_follow_the_exact_distribution(settings, draws):
    """Probabilities from 1e-6 to 0.1 over 600 tokens, a tenth of which are impossible."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(600, generator=generator) * 2.5
    logits[::10] = -torch.inf
    probabilities = exact(logits, *settings)
    counts = np.bincount(draw(logits, draws, *settings), minlength=600)
    assert counts[probabilities == 0].sum() == 0
    assert fits(counts, probabilities) > 1e-3


def test_tails_are_exact():
    """A token that follows one of probability nearly 1 in its block keeps its own probability."""
    logits = torch.full((300,), -torch.inf)
    logits[[0, 1, 127, 128, 299]] = torch.tensor([20.0, 6.0, 7.0, 6.5, 5.0])
    # Token i is drawn exactly for the random numbers between the two cumulative sums around it.
    mass = torch.softmax(logits, -1)[None].double()
    ends = mass.cumsum(-1) / mass.sum()
    for token in (1, 127, 128, 299):
        for u, drawn in ((ends[0, token] - 1e-9, token), (ends[0, token - 1] + 1e-9, token)):
            assert of(logits, float(u)) == drawn


def of(logits, u):
    one = torch.ones(1)
    return int(sampling._of_all(logits[None], one, torch.tensor([u], dtype=torch.float64)))


@pytest.mark.parametrize("size", SIZES)
def test_no_random_number_draws_an_impossible_token(size):
    """At both ends of (0, 1), and where rounding puts the target on a boundary of two tokens."""
    generator = torch.Generator().manual_seed(size)
    for spread in (0.0, 1.0, 30.0):
        logits = torch.randn(size, generator=generator) * spread
        logits[torch.rand(size, generator=generator) < 0.5] = -torch.inf
        logits[size // 2] = 1.0
        mass = torch.softmax(logits, -1).double()
        ends = (mass.cumsum(-1) / mass.sum()).tolist()[:: max(1, size // 50)]
        near = [x for end in ends for x in (np.nextafter(end, 0), end, np.nextafter(end, 1))]
        numbers = [2.0**-53, 1 - 2.0**-53, 1.0, 0.0, *near]
        u = torch.tensor(numbers, dtype=torch.float64).clamp(0, 1)
        heat = torch.ones(len(u))
        rows = logits.expand(len(u), -1)
        for drawn in (
            sampling._of_all(rows, heat, u),
            sampling._of_nucleus(rows, heat, torch.full_like(u, 0.999999), u.expand(TURNS, -1)),
            by_rank(rows, torch.full_like(u, 0.999999), u),
            sampling._of_top_k(rows, heat, torch.full((len(u),), size), torch.ones_like(u), u),
        ):
            assert int(drawn.max()) < size
            assert bool((mass[drawn] > 0).all())


def test_sums_that_round_neither_skip_nor_run_past_the_end():
    """Masses that a float64 sum absorbs, zeros at both ends, totals far from 1."""
    tiny = 2.0**-60
    for scale in (1e-300, 1e-30, 1.0, 1e30):
        mass = torch.tensor([0, 0, 1, tiny, 0, tiny, 0.5, 0, tiny, 0], dtype=torch.float64) * scale
        u = torch.linspace(0, 1, 10001, dtype=torch.float64)
        index, rest = sampling._invert(mass.expand(len(u), -1), u)
        assert bool((mass[index] > 0).all())
        assert bool(((rest >= 0) & (rest <= 1)).all())


def test_random_numbers_are_uniform_and_unrelated():
    keys = keys_of(20_000)
    steps = torch.arange(20_000)
    plenty = [
        sampling.uniform(keys, torch.zeros_like(keys)),
        sampling.uniform(torch.arange(20_000), torch.zeros_like(keys)),
        sampling.uniform(torch.zeros_like(keys), steps),
    ]
    for numbers in plenty:
        assert stats.kstest(numbers.numpy(), stats.uniform.cdf).pvalue > 1e-3
        correlation = np.corrcoef(numbers[:-1].numpy(), numbers[1:].numpy())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(len(numbers))
    next_step = sampling.uniform(keys, torch.ones_like(keys))
    assert abs(np.corrcoef(plenty[0].numpy(), next_step.numpy())[0, 1]) < 4 / np.sqrt(len(keys))


def test_one_number_and_many_are_the_same_function():
    keys, steps = [0, 1, 2**63 - 1, 12345678901234567], [0, 1, 7, 100_000]
    many = sampling.uniform(torch.tensor(keys), torch.tensor(steps)).tolist()
    assert many == [noise.uniform(key, step) for key, step in zip(keys, steps, strict=True)]
    assert many[0] == pytest.approx(0.8833108082136426, abs=1e-15)  # SplitMix64, seed 0, output 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("vocabulary", [256, 300, 49152])
def test_a_row_does_not_depend_on_its_neighbours(vocabulary, dtype):
    """A batch of 256 rows with all kinds of settings; each row alone; the rows in another order."""
    generator = torch.Generator().manual_seed(1)
    logits = (torch.randn(256, vocabulary, generator=generator) * 3).to(dtype)
    settings = (
        logits,
        torch.tensor([0.0, 0.7, 1.0, 2.0]).repeat(64),
        torch.tensor([0, 5, 0, 40, 0]).repeat(52)[:256],
        torch.tensor([1.0, 0.9, 0.5], dtype=torch.float64).repeat(86)[:256],
        keys_of(256, 1),
        torch.arange(256),
    )
    whole = sampling.choose(*settings)
    some = range(256) if vocabulary < 1000 else range(0, 256, 5)
    for i in some:
        assert sampling.choose(*(each[i : i + 1] for each in settings)) == whole[i]
    order = torch.randperm(256, generator=generator)
    assert torch.equal(sampling.choose(*(each[order] for each in settings)), whole[order])
    greedy = settings[1] == 0
    assert torch.equal(whole[greedy], logits.float().argmax(-1)[greedy])


def test_threads_change_no_token():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(64, 20_000, generator=generator) * 3
    rows = (keys_of(64), torch.arange(64))
    plain = (torch.ones(64), torch.zeros(64, dtype=torch.int64))
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for top_p in (1.0, 0.5):
            nucleus = torch.full((64,), top_p, dtype=torch.float64)
            results.append(sampling.choose(logits, *plain, nucleus, *rows))
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[1], results[3])


@pytest.mark.parametrize("size", [*SIZES, 2176, 5000])
def test_partial_selection_is_a_stable_sort(size):
    """Among logits with many equal values, as bfloat16 gives, and impossible tokens."""
    generator = torch.Generator().manual_seed(size)
    logits = torch.randn(4, size, generator=generator).bfloat16().float()
    logits[torch.rand(4, size, generator=generator) < 0.3] = -torch.inf
    logits[:, : size // 3] *= 0.0  # both 0.0 and -0.0
    logits = logits.nan_to_num(nan=-torch.inf, neginf=-torch.inf)
    logits[:, 0] = 1.0
    order = torch.sort(logits, dim=-1, descending=True, stable=True).indices
    peaks = selection.by_block(logits, "amax")
    for least in (1.0, 0.5, 0.0, -1.0, torch.finfo(torch.float32).min):
        row, ids, found = selection.reaching(logits, peaks, torch.full((4,), least))
        assert torch.equal(found, logits[row, ids])
        ranked, values = selection.by_rank(row, ids, found, torch.nan)
        for number in range(4):
            kept = int((logits[number] >= least).sum())
            assert torch.equal(ranked[number, :kept], order[number, :kept])
            assert torch.equal(values[number, :kept], logits[number][order[number, :kept]])
            assert bool(values[number, kept:].isnan().all())


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.95, 0.999])
def test_a_nucleus_of_any_size_is_the_exact_one(spread, top_p):
    """From one token to nearly all of 3,000, drawn from evenly spaced random numbers."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(3000, generator=generator) * spread
    probabilities = exact(logits, 1.0, 0, top_p)
    u = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    rows, nucleus = logits.expand(400, -1), torch.full_like(u, top_p)
    drawn = by_rank(rows, nucleus, u)
    assert probabilities[drawn].min() > 0
    shares = np.bincount(drawn, minlength=3000) / 400
    assert np.abs(shares - probabilities).max() < 2 / 400
    # The first random number decides, unless its token is outside the nucleus.
    first = sampling._of_all(rows, torch.ones(400), u)
    turns = torch.cat([u.expand(sampling.TRIES, -1), u.flip(0)[None]])
    drawn = sampling._of_nucleus(rows, torch.ones(400), nucleus, turns)
    inside = torch.from_numpy(probabilities[first] > 0)
    assert torch.equal(drawn[inside], first[inside])
    assert torch.equal(drawn[~inside], by_rank(rows, nucleus, u.flip(0))[~inside])


def by_rank(logits, top_p, u):
    mass = torch.softmax(logits, -1)
    sums = selection.by_block(mass, "sum").double()
    peaks = selection.by_block(mass, "amax")
    tokens = torch.zeros(len(logits), dtype=torch.int64)
    for number, ids, kept in filters.of_nucleus(mass, sums, peaks, top_p):
        tokens[number] = sampling._taken(ids, kept, u[number])
    return tokens


@pytest.mark.parametrize("top_p", [0.02, 0.3, 0.9])
def test_draws_from_a_large_nucleus_follow_the_exact_distribution(top_p):
    """In a vocabulary of many blocks; a nucleus of 0.02 is left to the sort in nearly every row."""
    logits = torch.randn(3000, generator=torch.Generator().manual_seed(8))
    probabilities = exact(logits, 1.0, 0, top_p)
    counts = sum(
        np.bincount(draw(logits, 4000, top_p=top_p, seed=seed), minlength=3000) for seed in range(4)
    )
    assert counts[probabilities == 0].sum() == 0
    kept = probabilities > 0
    assert fits(counts[kept], probabilities[kept]) > 1e-3


SETTINGS = [
    (1.0, 0, 1.0),
    (0.5, 0, 1.0),
    (2.0, 0, 0.9),
    (1.0, 20, 1.0),
    (0.6, 20, 0.95),
    (1.3, 5000, 0.5),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("size", [8, 300, 5000])
def test_the_law_is_that_of_the_warpers_of_transformers(settings, size):
    """Rows with wide and narrow nuclei, and impossible tokens."""
    generator = torch.Generator().manual_seed(size)
    logits = torch.randn(40, size, generator=generator) * torch.logspace(-1, 1, 40)[:, None]
    logits[:, ::7] = -torch.inf
    found = sampling.law(logits, *settings)
    temperature, top_k, top_p = settings
    for row, probabilities in zip(logits, found, strict=True):
        expected = exact(row, temperature, min(top_k, size), top_p)
        assert np.abs(probabilities.numpy() - expected).max() < 1e-6
        assert ((probabilities.numpy() > 1e-30) == (expected > 1e-30)).all()


def test_the_law_of_a_greedy_draw_is_its_token():
    found = sampling.law(LOGITS[None], 0.0, 0, 1.0)
    assert found.tolist() == [[1.0, *[0.0] * 7]]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("settings", [(1.0, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.8), (0.0, 0, 1.0)])
def test_there_is_no_law_of_logits_that_are_not_finite(settings, bad):
    logits = LOGITS.clone()
    logits[3] = bad
    with pytest.raises(FloatingPointError, match="expected finite logits"):
        sampling.law(logits[None], *settings)


def test_the_top_token_survives_any_nucleus():
    assert set(draw(LOGITS, 1000, top_p=1e-6).tolist()) == {0}


def test_a_temperature_near_zero_is_greedy():
    assert set(draw(LOGITS, 100, temperature=1e-38).tolist()) == {0}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("settings", [(1.0, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.8)])
def test_logits_that_are_not_finite_are_refused(settings, bad):
    logits = LOGITS.clone()
    logits[3] = bad
    with pytest.raises(FloatingPointError, match="expected finite logits"):
        draw(logits, 3, *settings)


def test_stop_table_marks_tokens_that_hold_the_last_character():
    texts = ["a", "xb", "c\ufffd", "", "b"]
    assert sampling.stop_table(texts, ["ab"]).tolist() == [False, True, True, False, True]
    assert sampling.stop_table(texts, ["a "]).all()
