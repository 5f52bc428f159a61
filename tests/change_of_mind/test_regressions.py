"""The four regressions: nested designs, recovered parameters, and which variant wins."""

import numpy as np
import pytest

from tests.change_of_mind import made
from workflow_scripts.change_of_mind import bayes, design, regressions, resample

TRUTH = {
    ("shared", "prior"): 1.1,
    ("shared", "shown"): 1.4,
    ("final_confidence_finally_chosen", "opposite_advice"): 1.5,
    ("final_confidence_finally_chosen", "same_advice"): 1.2,
    ("change_of_mind", "opposite_advice"): 4.4,
    ("change_of_mind", "same_advice"): 2.0,
    ("final_confidence_initially_chosen", "opposite_advice_shown"): 2.8,
    ("final_confidence_initially_chosen", "opposite_advice_hidden"): 3.1,
    ("final_confidence_initially_chosen", "same_advice_shown"): 0.5,
    ("final_confidence_initially_chosen", "same_advice_hidden"): 1.7,
}
INTERCEPTS, PRECISIONS = np.array([0.1, 0.8, -0.3]), np.array([12.0, 15.0])


def given():
    # A high temperature keeps first confidences away from 0 and 1, where drawn replies would be
    # clipped.
    return design.prepared(made.tried("biased"), "E5", 20, 8.0)


def simulated():
    """Replies drawn from D with known weights, on a real design."""
    rng = np.random.default_rng(8)
    weights = np.array([TRUTH.get(column, 0.0) for column in design.COLUMNS])
    sample, seen = given()
    # Changes of mind first, because the sign of the first head's design depends on them.
    x = design.data(sample, seen, "D").x
    changed = rng.random(len(sample.first)) < 1 / (1 + np.exp(-(INTERCEPTS[1] + x[1] @ weights)))
    final = np.where(changed, (sample.first + 1) % 4, sample.first)
    sample = resample.Sample(**{**vars_of(sample), "final": final})
    x = design.data(sample, seen, "D").x
    confidences = []
    for head, precision in ((0, PRECISIONS[0]), (2, PRECISIONS[1])):
        mean = 1 / (1 + np.exp(-(INTERCEPTS[head] + x[head] @ weights)))
        confidences.append(rng.beta(mean * precision, (1 - mean) * precision))
    seen = seen._replace(final=confidences[0], after=confidences[1])
    return sample, seen


def vars_of(sample):
    return {name: getattr(sample, name) for name in sample.__dataclass_fields__}


def test_the_variants_are_nested():
    datas = {variant: design.data(*given(), variant) for variant in design.VARIANTS}
    used = {
        variant: {design.COLUMNS[i] for i in np.flatnonzero(data.x.any(axis=(0, 1)))}
        for variant, data in datas.items()
    }
    assert used["A"] == {("shared", "prior")}
    assert used["B"] == {column for column in used["D"] if "hidden" not in column[1]} - {
        ("shared", "shown")
    }
    assert len(used["C"]) == 2 + 3
    assert used["D"] == set(TRUTH)
    # Each column span contains the previous one: C's single weight is the sum of D's columns.
    for head in range(3):
        single = datas["C"].x[head].sum(axis=1) - datas["C"].x[head][:, :2].sum(axis=1)
        apart = datas["D"].x[head][:, 2:].sum(axis=1)
        assert single == pytest.approx(apart)


def test_advice_of_50_percent_has_no_column_entry():
    sample, seen = given()
    x = design.data(sample, seen, "D").x
    none = (sample.accuracy == 50) | (sample.advice == sample.advices.index("neutral"))
    assert not x[:, none, 2:].any()
    assert x[:, sample.accuracy == 100, 2:].any()


def test_the_error_of_a_sum_counts_questions_and_not_trials():
    """Trials of a question share most of their spread; its 36 trials are one unit."""
    rng = np.random.default_rng(3)
    question = np.repeat(np.arange(24), 36)
    inside = []
    for _ in range(400):
        values = rng.normal(0.1, 1, 24)[question] + 0.3 * rng.normal(size=len(question))
        found = regressions.total(rng.permuted(values[None], axis=1)[0], question)
        shuffled = found.high - found.low
        found = regressions.total(values, question)
        inside.append(found.low <= 0.1 * len(question) <= found.high)
    assert found.n == 24
    assert found.value == pytest.approx(values.sum())
    assert 0.92 <= np.mean(inside) <= 0.98
    # Were the trials independent, the interval would be several times narrower.
    assert found.high - found.low > 3 * shuffled


def test_r_squared_is_resampled_by_question():
    sample, seen = given()
    observed = seen.after
    noise = 0.05 * np.random.default_rng(4).normal(size=len(observed))
    for by_cell in (False, True):
        found = regressions.r_squared(sample, observed, observed + noise, by_cell, 1)
        assert found.n == sample.questions == 20
        assert found.low < found.value <= found.high
    around = ((observed - observed.mean()) ** 2).sum()
    found = regressions.r_squared(sample, observed, observed + noise, False, 1)
    assert found.value == pytest.approx(1 - (noise**2).sum() / around)


@pytest.mark.long
def test_weights_come_back_and_the_true_variant_wins():
    sample, seen = simulated()
    sampler = bayes.Sampler(2, 100, 250)
    datas = {variant: design.data(sample, seen, variant) for variant in design.VARIANTS}
    fits = {variant: sampler.fit(data, 1) for variant, data in datas.items()}
    rows = list(regressions.compare(sampler, fits, datas, sample.question))
    posterior = {row["parameter"]: row for row in rows if row["metric"] == "posterior_mean"}
    inside = [
        posterior[f"{head}.{name}"]["ci_low"] <= value <= posterior[f"{head}.{name}"]["ci_high"]
        for (head, name), value in TRUTH.items()
    ]
    # Ten 95 % intervals: fewer than eight contain the truth in one of a hundred data sets.
    assert sum(inside) >= 8
    found = posterior["shared.shown"]
    assert found["value"] == pytest.approx(1.4, abs=0.25)
    # Weights without data keep their prior, N(0, 1).
    idle = [i for i, column in enumerate(design.COLUMNS) if column not in TRUTH]
    draws = fits["D"].draws["weights"][..., idle]
    assert draws.mean() == pytest.approx(0, abs=0.25)
    assert draws.std() == pytest.approx(1, abs=0.2)
    leads = {row["variant"]: row for row in rows if row["metric"] == "elpd_lead_of_D"}
    assert set(leads) == {"A", "B", "C"}
    # Variant C is close: at 720 trials D's lead over it is about two standard errors.
    assert all(row["value"] > 0 for row in leads.values())
    assert leads["A"]["ci_low"] > leads["B"]["ci_high"] > leads["B"]["ci_low"] > 0
    worst = max(row["value"] for row in rows if row["metric"] == "r_hat_max")
    assert worst < 1.05
    assert sum(row["value"] for row in rows if row["metric"] == "divergences") == 0
