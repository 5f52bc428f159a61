"""Tests against chance: a perfect sampler passes at the nominal rate, a broken one is found."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.stochasticity import verdicts
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import statistics
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.scores import share, table
from workflow_scripts.stochasticity import claims, measurements, metrics, targets
from workflow_scripts.stochasticity.draw_table import CONDITIONS, UNFILTERED

DIGIT, NORMAL = targets.of("digit"), targets.of("normal")
RUNS = 40
TOO_MANY = 8  # of 40 runs at a level of 5 %: the probability is 0.001
CLAIMS = {claim.id: claim for claim in verdicts.all_claims()}
EVIDENCE = shared.ModelEvidence(verdicts.MODELS, "stochasticity")


def rng(seed=1):
    return np.random.default_rng(seed)


def periods(chains_of, target):
    """The test of periodicity in many runs."""
    generator = rng()
    return [metrics.periodicity(list(chains_of(generator)), target, 16, run) for run in range(RUNS)]


APERIODIC = {
    "independent digits": (lambda g: DIGIT.draw(g, (32, 32)), DIGIT),
    "independent normals": (lambda g: NORMAL.draw(g, (16, 64)), NORMAL),
    "short replies": (lambda g: DIGIT.draw(g, (64, 16)), DIGIT),
    "smooth chains": (lambda g: verdicts.autoregression(g, 0.9, 32, 32), NORMAL),
    "repulsive chains": (lambda g: verdicts.autoregression(g, -0.5, 32, 32), NORMAL),
    "repeated digits": (lambda g: verdicts.periodic(g, 0.5, 32, 32, back=1), DIGIT),
}


@pytest.mark.parametrize("world", APERIODIC)
def test_chains_without_a_period_are_called_periodic_at_the_nominal_rate(world, monkeypatch):
    monkeypatch.setattr(metrics, "NULL_RUNS", 199)
    found = periods(*APERIODIC[world])
    assert sum(period.p < 0.05 for period in found) < TOO_MANY
    assert sum(period.excess.low > claims.PERIOD.low for period in found) <= 1


@pytest.mark.parametrize("back", [3, 4, 7])
def test_a_period_is_found(back, monkeypatch):
    monkeypatch.setattr(metrics, "NULL_RUNS", 199)
    found = periods(lambda g: verdicts.periodic(g, 0.6, 32, 32, back=back), DIGIT)
    assert all(period.p < 0.01 for period in found)
    assert all(period.lag % back == 0 for period in found)
    assert all(period.excess.low > claims.PERIOD.low for period in found)


def test_a_cycle_that_the_last_draw_carries_is_found():
    """Each digit is followed by the next of 1, 7, 4; only the direction tells it from noise."""
    chains = [np.tile([1.0, 7.0, 4.0], 10)[shift:][:24] for shift in range(3)] * 8
    found = metrics.periodicity(chains, DIGIT, 16, 1)
    assert found.p < 0.01
    assert found.lag % 3 == 0


def test_chains_that_differ_but_do_not_depend_on_their_past_have_no_autocorrelation():
    chains = list(rng().normal(size=(64, 1)) * 5 + rng(2).normal(size=(64, 16)))
    for found in metrics.autocorrelation(chains, 4):
        assert abs(found.value) < 0.1
        assert found.low < 0 < found.high


def test_too_few_chains_have_no_period():
    chains = list(verdicts.periodic(rng(), 0.9, metrics.FEWEST_CHAINS - 1, 32))
    assert metrics.periodicity(chains, DIGIT, 16, 1) is metrics.NO_PERIOD
    assert metrics.periodicity([np.full(32, 7.0)] * 32, DIGIT, 16, 1) is metrics.NO_PERIOD


def test_independent_chains_repel_at_the_nominal_rate():
    """Claim 3b takes the smaller of two targets; its upper end is corrected for that."""
    generator, found = rng(), 0
    for _ in range(RUNS):
        ends = [
            metrics.autocorrelation(list(target.draw(generator, (32, 32))), 1)[0]
            for target in (DIGIT, NORMAL)
        ]
        rows = pd.DataFrame(ends).rename(columns={"low": "ci_low", "high": "ci_high"})
        low, high = measurements._ends(rows, rows, measurements.of_mean, "smallest")
        assert low < high
        found += high < 0
    assert found < TOO_MANY


def test_errors_that_leave_the_distribution_alone_are_no_distance_of_images():
    generator, above = rng(), 0
    for seed in range(60):
        true = generator.integers(10, size=1024).astype(float)
        errs = generator.random(1024) < 0.1
        found = np.where(errs, generator.integers(10, size=1024), true)
        above += metrics.image_distance(found, true, DIGIT, seed).low > 0
    assert stats.binom.sf(above - 1, 60, 0.025) > 1e-3


def test_perfect_images_always_pass_and_wrong_ones_never():
    """u is known, so nothing depends on the luck of the draw."""
    for seed in range(20):
        generator = rng(seed)
        true = DIGIT.draw(generator, 1024)
        found = metrics.image_distance(true, true, DIGIT, seed)
        assert found.value == 0
        assert found.high <= metrics.TOLERATED
        broken = np.where(generator.random(1024) < 0.1, 7.0, true)
        assert metrics.image_distance(broken, true, DIGIT, seed).low > metrics.TOLERATED


def test_the_tolerated_distance_is_what_chi_square_lets_pass():
    """All of the deviation in one cell: chi-square then rejects one run in two."""
    p = np.full(10, (1 - metrics.TOLERATED) / 10)
    p[7] += metrics.TOLERATED
    statistic = ((rng().multinomial(1024, p, 4000) - 102.4) ** 2 / 102.4).sum(axis=1)
    assert 0.4 < np.mean(stats.chi2.sf(statistic, 9) < 0.05) < 0.52


@pytest.mark.parametrize(("n", "least", "most"), [(5120, 0.95, 1.0), (1024, 0.0, 0.1)])
def test_true_programs_pass_if_there_are_enough_of_them(n, least, most):
    found = rng().chisquare([9, 15, 15], (100, 3))
    passed = [
        all(
            metrics.rejection_rate(statistics.Test(x, 0, n), freedom).high
            <= claims.SELDOM_REJECTED.high
            for x, freedom in zip(row, (9, 15, 15), strict=True)
        )
        for row in found
    ]
    assert least <= np.mean(passed) <= most


@pytest.mark.parametrize("statistic", [0.0, 1.0, 9.0, 40.0, 1e5, np.inf])
def test_a_rejection_rate_is_never_certain(statistic):
    found = metrics.rejection_rate(statistics.Test(statistic, 0.0, 1024), 9)
    assert found.low < found.high
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.2, 0.2, 0.4, 0.2), Verdict.SUPPORTED),
        ((0.03, 0.58, 0.36, 0.03), Verdict.CONTRADICTED),  # more than 1/4, but not preferred
        ((0.02, 0.49, 0.47, 0.02), Verdict.INCONCLUSIVE),
    ],
)
def test_c_is_preferred_only_to_every_other_letter(shares, verdict):
    (found,) = judged("9", verdicts.scored(verdicts.letters(rng(3), shares)))
    assert found["verdict"] == verdict


def test_letters_at_random_are_preferred_at_the_nominal_rate():
    generator, decided = rng(), 0
    for _ in range(RUNS):
        hits = dict(zip("ABCD", generator.multinomial(1024, [0.25] * 4).tolist(), strict=True))
        rows = [
            share("S12", "share", count, 1024, units="draws", cell=letter, target="letter",
                  style="plain", batch=1, model="gemini", **UNFILTERED)
            for letter, count in hits.items()
        ]  # fmt: skip
        (found,) = judged("9", table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",)))
        decided += found["verdict"] != Verdict.INCONCLUSIVE
    assert decided < TOO_MANY


def judged(claim, scores):
    return shared.judge(CLAIMS[claim], scores, EVIDENCE)


def test_a_model_that_does_not_use_the_number_is_at_chance():
    generator = rng()
    frame = verdicts.images(generator, "bucket", 0.0)
    guesses = verdicts.favourite(generator, len(frame), 0.9)
    scores = verdicts.scored(frame.assign(value=guesses))
    above = dict(measurements._above_chance(scores, "large"))["bucket"]
    assert above.low < 0 < above.high
    row = scores[scores["metric"] == "map_right"].iloc[0]
    assert row["ci_low"] > 0.05  # without the correction it is as good as one in ten


def test_two_models_that_map_nothing_right_differ_in_nothing_measurable():
    frames = [verdicts.images(rng(), "scale", 0.0, model=name) for name in verdicts.SIZES]
    (found,) = judged("10", verdicts.scored(*(frame.assign(value=0.0) for frame in frames)))
    assert found["verdict"] == Verdict.NOT_TESTED
    assert "no difference can be measured" in found["reason"]


@pytest.mark.parametrize("first", ["other", "stand-in"])
def test_stages_of_different_evidence_decide_nothing(first):
    draws = [verdicts.favourite(rng(1), 1024, share) for share in (0.1, 0.4)]
    frames = [verdicts.drawn("S1", "digit", draws[0], first)]
    frames.append(verdicts.drawn("S1", "digit", draws[1], "olmo-final"))
    scores = verdicts.scored(*frames, stages=[[first, "olmo-final"]])
    published = str(verdicts.PUBLISHED)
    made = claims.all_claims(published, [verdicts.SIZES], [[first, "olmo-final"]], verdicts.MODELS)
    claim = next(each for each in made if each.id == "11")
    (found,) = shared.judge(claim, scores, EVIDENCE)
    assert found["verdict"] == Verdict.NOT_TESTED
    assert found["reason"].startswith(f"{first} is a")  # a stand-in model, or another model


def test_intervals_of_chains_are_over_chains():
    """Chains that repeat one digit hold as many independent draws as there are chains."""
    digits = np.repeat(DIGIT.draw(rng(), 32)[:, None], 32, axis=1)
    rows = verdicts.scored(verdicts.drawn("S5", "digit", digits))
    draws = verdicts.scored(verdicts.drawn("S1", "digit", digits.ravel()))
    for metric in ("share", "tv"):
        wide, narrow = (
            frame.loc[frame["metric"] == metric].assign(width=lambda f: f["ci_high"] - f["ci_low"])
            for frame in (rows, draws)
        )
        assert (wide["n"] == 32).all()
        assert wide["width"].mean() > 3 * narrow["width"].mean()
    assert not (rows["metric"] == "rejection_rate").any()


def test_a_transition_test_has_the_freedom_of_the_digits_that_occurred():
    values = rng().integers(2, size=(32, 32)).astype(float)
    rows = verdicts.scored(verdicts.drawn("S6", "digit", values)).set_index("metric")["value"]
    assert rows["transition_freedom"] == 1
    # With 81 degrees of freedom the same statistic would be far below its expectation.
    expected = metrics.rejection_rate(statistics.Test(rows["transition_statistic"], 0, 32 * 31), 1)
    assert rows["transition_rejection_rate"] == pytest.approx(expected.value)


def test_nothing_is_decided_below_nine_in_ten_replies_read():
    for lost, verdict in ((0.05, Verdict.SUPPORTED), (0.2, Verdict.NOT_TESTED)):
        values = verdicts.favourite(rng(), 1024, 0.5)
        values[: round(lost * 1024)] = np.nan
        (found,) = judged("1", verdicts.scored(verdicts.drawn("S1", "digit", values)))
        assert found["verdict"] == verdict
        assert found["reading"] == Verdict.SUPPORTED
    assert found["reason"] == "only 80% of the replies could be read, needed: 90%"


def test_replies_that_were_cut_off_are_no_wrong_counts():
    values = DIGIT.draw(rng(), (100, 4))
    whole = verdicts.lists(values)
    cut = whole["unit"] < 5
    spoilt = whole.assign(
        value=whole["value"].mask(cut),
        failure=whole["failure"].mask(cut, "cut off"),
        finish_reason=whole["finish_reason"].mask(cut, "length"),
    )
    (found,) = judged("4b", verdicts.scored(spoilt))
    assert found["measured"]["value"] == 0
    assert found["measured"]["n"] == 95
    rows = verdicts.scored(spoilt).set_index("metric")["value"]
    assert rows["lost_reply_rate"] == pytest.approx(0.05)
    assert rows["failure_rate"] == pytest.approx(0.05)


def test_a_sample_without_spread_has_an_interval_or_none():
    """Only an exact number has width 0."""
    frames = [
        verdicts.drawn("S1", "digit", np.full(64, 7.0)),
        verdicts.drawn("S1", "normal", np.full(64, 0.42)),
        verdicts.drawn("S5", "digit", np.full((32, 8), 7.0)),
        verdicts.drawn("S6", "digit", np.tile([1.0, 7.0], (32, 4))),
        verdicts.lists(np.full((4, 4), 7.0)),
        verdicts.images(rng(), "bucket", 0.0, 64),
        verdicts.sequences(rng(), 1.0, 8),
        verdicts.letters(rng(), (0, 0, 1, 0), 64),
    ]
    rows = verdicts.scored(*frames)
    sampled = rows[~rows["exact"]]
    assert len(sampled) > 100
    assert not (sampled["ci_low"] == sampled["ci_high"]).any()
