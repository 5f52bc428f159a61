"""The twelve claims of the paper, its controls, and the scores that decide each.

Each claim is decided by the paper's model or models that it is about. Other models and stand-ins
are measured in the same way. A number that the paper reports for several models is a claim per
model; `-27B`, `-GPT-4o` and `-o1` in an id stand for other models than Gemma 3 12B. Where the paper
says "about zero", "hardly" or "matches", the region has a margin that the statement or the
quantity gives, since no published spread is known. Artificial answerers are not evidence for a
claim; they are in the scores and in figure `recovery`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from workflow_scripts.change_of_mind.measurements import Measure, Protocol
from workflow_scripts.change_of_mind.published import (
    DEEPSEEK,
    GEMMA_12B,
    GEMMA_27B,
    GPT_4O,
    IN_TABLES,
    LLAMA,
    MODEL,
    O1,
    read_tables,
    scalar,
)
from workflow_scripts.shared import claims, measurements
from workflow_scripts.shared.claims import (
    NEGATIVE,
    PAPER_MODEL,
    POSITIVE,
    Claim,
    Published,
    Region,
    around,
)

Extreme = Literal["least", "largest"]
claim = partial(Claim, source="E1", decided_by=PAPER_MODEL, models=(GEMMA_12B,))
NOTES, OTHER_NOTES, BOTH = "secondary notes A", "secondary notes B", "secondary notes A and B"
RATE_GAP = "change-of-mind rate, hidden minus shown"
SUFFIX = {GEMMA_12B: "", GEMMA_27B: "-27B", GPT_4O: "-GPT-4o", O1: "-o1"}
HARDLY = 0.2  # the paper calls a ratio of 1.095 hardly overweighted and one of 2.44 overweighted
CALIBRATED = 0.02  # OUCS; the paper calls 0.001 a match and 0.05 a bias
OUCS_CELLS = {  # letter of the claim: advice, display
    "a": ("neutral", "hidden"),
    "b": ("neutral", "shown"),
    "c": ("opposite", "hidden"),
    "d": ("same", "hidden"),
    "e": ("same", "shown"),
    "f": ("opposite", "shown"),
}

# What each figure shows, by the ids of claims; an id stands for those with a suffix, too.
FIGURES = {
    "change_rate": ("1a", "1c", "2", "3a", "3b", "11a", "11b", "12"),
    "first_confidence": ("7a", "7b"),
    "sigmoid": ("8a", "8b"),
    "confidence_change": ("4",),
    "confidence_change_odds": ("4",),
    "ideal": ("9a", "9b", "9c", "9d", "9e", "9f"),
    "ideal_odds": ("9a", "9b", "9c", "9d", "9e", "9f"),
    "oucs": ("9a", "9b", "9c", "9d", "9e", "9f"),
    "overweighting": ("6a", "6b", "6c"),
    "updates": ("6a", "6b", "6c"),
    "controls": ("5", "E2", "E4"),
    "posterior": ("1b",),
    "elpd": ("10a",),
    "transfer": ("10b",),
}


def secondary(value: float | str, source: str = NOTES) -> Published:
    """A published number that is known to us from secondary notes."""
    return Published(value, "published-2nd", source)


def derived(value: float, digits: int) -> Published:
    """A number computed from published ones."""
    return Published(round(value, digits), "derived", NOTES)


def all_claims(
    published: Sequence[str],
    models: dict[str, Any],
    settings: dict[str, Any],
    difficult: Mapping[str, bool],
    choices: Mapping[str, str],
) -> list[Claim]:
    """The claims; `published` are the paths of the published tables.

    `settings` are the config's temperature, accuracies, foils and files; `difficult` tells of each
    model whether it got the closer foils, `choices` how its options were taken. A paper's model
    that was asked with other settings than the paper's counts as another model.
    """
    known = read_tables(published)
    measure = Measure(list(models), Protocol(settings, difficult, choices, known))
    return [
        *_rates(known, measure),
        *_confidence(known, measure),
        *_weights(known, measure),
        *_curves(known, measure),
        *_calibration(known, measure),
        *_regressions(known, measure),
        *_others(known, measure),
        *_controls(known, measure),
    ]


def _direct(measure: Measure, metric: str, note: str, **wanted: Any) -> Any:
    return partial(measure.direct, note, {"experiment": "E1", "metric": metric} | wanted)


def _extreme(measure: Measure, which: Extreme, metric: str, note: str, **wanted: Any) -> Any:
    return partial(measure.extreme, note, which, {"experiment": "E1", "metric": metric} | wanted)


def _gap(measure: Measure, experiment: str) -> Any:
    note = "the gap over all advice"
    return _direct(measure, "change_rate_gap", note, experiment=experiment, advice="all")


def _rates(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claims 1 to 3: how often the first answer changes."""
    rates: Any = known["rates"].set_index(["model", "contrast"])
    odds = scalar(known, "odds_reduction_pct_when_answer_shown")
    yield claim(
        id="1a",
        statement="Shown its own first answer, Gemma 3 12B changes its mind less often",
        quantity=f"{RATE_GAP}, all advice",
        region=POSITIVE,
        test=_gap(measure, "E1"),
        published=secondary(
            round(rates.loc[MODEL, "all advice types"]["difference_pp"] / 100, 3), BOTH
        ),
    )
    for model in (GEMMA_12B, GPT_4O):
        yield claim(
            id=f"1b{SUFFIX[model]}",
            statement=f"With other factors held constant, {model} changes its mind less often when "
            "it sees its own first answer",
            quantity="logistic coefficient of the shown flag",
            region=NEGATIVE,
            models=(model,),
            test=_direct(measure.of(model), "logit_shown", "the coefficient (covariates assumed)"),
            published=secondary(scalar(known, "logit_coef_display_shown", IN_TABLES[model])),
        )
    yield claim(
        id="1c",
        statement="Shown its own first answer, a model has lower odds of changing its mind",
        source="journal version",
        quantity="odds of a change, shown over hidden, all advice",
        region=Region(0.0, 1 - 1.0e-9),
        models=(GEMMA_12B, GEMMA_27B, GPT_4O, LLAMA),
        test=_direct(measure, "change_odds_ratio", "the odds ratio over all advice", advice="all"),
        published=secondary(round(1 - odds / 100, 2), "summaries of the journal version"),
    )
    agreeing = {"display": "shown", "advice": ["same", "neutral"], "accuracy": "all"}
    yield claim(
        id="2",
        statement="With the answer shown, agreeing and neutral advice hardly ever change it",
        quantity="larger of the two change-of-mind rates (claimed: about 0; here: up to 0.05)",
        region=Region(0.0, 0.05),
        test=_extreme(measure, "largest", "change_rate", "rate, answer shown", **agreeing),
        published=secondary("about 0"),
    )
    opposite = rates.loc[MODEL, "opposite advice"]
    outcomes = {"hidden": "most answers change", "shown": "a minority of answers changes"}
    for letter, (display, outcome) in zip("ab", outcomes.items(), strict=True):
        share = opposite[f"{display}_pct"] / 100
        where = {"display": display, "advice": "opposite", "accuracy": "all"}
        yield claim(
            id=f"3{letter}",
            statement=f"With opposing advice and the answer {display}, {outcome} (within 5 points)",
            quantity=f"change-of-mind rate, opposite, {display}",
            region=around(share, 0.05),
            test=_direct(measure, "change_rate", "rate", **where),
            published=secondary(share, OTHER_NOTES),
        )


def _confidence(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claims 4 and 5: the gain from seeing the own answer, and its loss without attribution."""
    table = known["confidence_boost"].set_index("model")
    for model in (GEMMA_12B, GEMMA_27B, GPT_4O):
        row = table.loc[IN_TABLES[model]]
        gain = float(row["confidence_gain_from_seeing_own_answer"])
        main = model == GEMMA_12B
        yield claim(
            id=f"4{SUFFIX[model]}",
            statement=f"Seeing its own answer raises the confidence of {model} in it with no new "
            "information",
            quantity="confidence change under neutral advice, shown minus hidden",
            region=POSITIVE,
            models=(model,),
            test=_direct(measure.of(model), "confidence_gain", "the gain", advice="neutral"),
            published=secondary(gain, BOTH)
            if main
            else secondary(f"{gain} ({row['contrast']})", OTHER_NOTES),
        )
    rates: Any = known["rates"].set_index(["model", "contrast"])
    other = rates.loc[MODEL, "control: first answer attributed to another LLM"]
    yield claim(
        id="5",
        statement="Attributed to another model, the answer has no such effect (5 points)",
        source="E3",
        quantity=f"{RATE_GAP}, answer attributed to another model",
        region=Region(-0.05, 0.05),
        test=_gap(measure, "E3"),
        published=secondary(other["difference_pp"] / 100, BOTH),
    )


def _weights(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claim 6: the weight of advice, from contrasts within questions in log-odds.

    The published numbers are ratios of confidence updates. Those differ from 1 for unbiased noise
    too, so they are quoted and do not decide.
    """
    table = known["overweighting"].set_index(["model", "advice_type"])
    ratios = table["ratio_observed_over_bayes"]

    def weight(name: str, statement: str, model: str, advice: str, region: Region) -> Claim:
        ratio = ratios[IN_TABLES[model], advice]
        source = str(table.loc[(IN_TABLES[model], advice), "source"])
        return claim(
            id=name,
            statement=statement,
            quantity=f"weight of {advice} advice in log-odds (Bayes: 1), hidden",
            region=region,
            models=(model,),
            test=_direct(
                measure.of(model),
                "advice_weight",
                "the weight, against the same question's neutral advice",
                display="hidden",
                advice=advice,
            ),
            published=secondary(f"{ratio} as a ratio of confidence updates", source),
        )

    for model in (GEMMA_12B, GEMMA_27B, GPT_4O):
        yield weight(
            f"6a{SUFFIX[model]}",
            f"{model} overweights opposing advice (by more than {HARDLY})",
            model,
            "opposite",
            Region(low=1 + HARDLY),
        )
    yield weight(
        "6b",
        f"Agreeing advice is hardly overweighted (Bayes within {HARDLY})",
        GEMMA_12B,
        "same",
        around(1.0, HARDLY),
    )
    difference = ratios[MODEL, "opposite"] - ratios[MODEL, "same"]
    yield claim(
        id="6c",
        statement=f"Criticism weighs more than support (by more than {HARDLY}): the reverse of a "
        "confirmation bias",
        quantity="weight of opposing minus weight of agreeing advice in log-odds, hidden",
        region=Region(low=HARDLY),
        test=_direct(
            measure, "advice_weight_opposite_less_same", "the difference", display="hidden"
        ),
        published=Published(
            f"{difference:.3f} as a difference of ratios of confidence updates", "derived", NOTES
        ),
    )


def _curves(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claims 7 and 8: change of mind against first confidence."""
    sigmoid = known["sigmoid"].set_index("advice_accuracy_pct")["inflection_confidence"]
    bend = scalar(known, "R2_sigmoid_hidden_opposite") - scalar(known, "R2_linear_hidden_opposite")
    yield claim(
        id="7a",
        statement="The lower the confidence in the first answer, the likelier a change of mind",
        quantity="slope of the line through binned rates, all conditions",
        region=NEGATIVE,
        test=_direct(measure, "line_slope", "the slope", display="all"),
    )
    yield claim(
        id="7b",
        statement="A line describes change of mind against first confidence (R² at least 0.9)",
        quantity="R² of the line, all conditions",
        region=Region(0.9, 1.0),
        test=_direct(measure, "line_r2", "R²", display="all"),
        published=secondary(scalar(known, "R2_linear_confidence_vs_com_all_conditions")),
    )
    yield claim(
        id="8a",
        statement="With the answer hidden and opposing advice, the relation is a sigmoid, not a "
        "line",
        quantity="R² of the sigmoid minus R² of the line",
        region=POSITIVE,
        test=_direct(
            measure, "sigmoid_less_line_r2", "the difference", display="hidden", accuracy="all"
        ),
        published=derived(bend, 2),
    )
    yield claim(
        id="8b",
        statement="The sigmoid's midpoint rises with the stated accuracy of the advice",
        quantity="midpoint at 70 % minus midpoint at 50 %",
        region=POSITIVE,
        test=_direct(measure, "midpoint_rise", "the rise", accuracy="70"),
        published=derived(sigmoid[70] - sigmoid[50], 2),
    )


def _calibration(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claim 9: every published OUCS. The region is the sign of the published value, or about 0."""
    table = known["oucs"].set_index(["model", "advice_type", "display_type"])
    numbers = {GEMMA_12B: 1, GEMMA_27B: 2, GPT_4O: 3}
    for model, number in numbers.items():
        for letter, (advice, display) in OUCS_CELLS.items():
            where = {"display": display, "advice": advice, "accuracy": "all"}
            value = float(table.loc[(IN_TABLES[model], advice, display), "oucs"])
            if abs(value) <= CALIBRATED:
                outcome, region = "equals", Region(-CALIBRATED, CALIBRATED)
            elif value > 0:
                outcome, region = "exceeds", Region(low=CALIBRATED)
            else:
                outcome, region = "is below", Region(high=-CALIBRATED)
            yield claim(
                id=f"9{letter}{SUFFIX[model]}",
                statement=f"Answer {display}, {advice} advice: the confidence of {model} {outcome} "
                f"the ideal observer's (margin {CALIBRATED})",
                quantity=f"OUCS, {advice}, {display}",
                region=region,
                models=(model,),
                test=_direct(measure.of(model), "oucs", "OUCS", **where),
                published=secondary(value, f"{NOTES}, table {number}"),
            )


def _regressions(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claim 10: the four regressions and the transfer of D."""
    elpd = known["elpd"].set_index(["model_variant", "dataset"])["elpd_diff_vs_best"]
    rivals = {"experiment": "E5", "variant": ["A", "B", "C"]}
    yield claim(
        id="10a",
        statement="Of four regressions, the one with a shown flag and separate weights wins",
        source="E5",
        quantity="ELPD of D minus that of its closest rival (in the paper C), nats",
        region=POSITIVE,
        test=_extreme(
            measure, "least", "elpd_lead_of_D", "the lead over the closest rival", **rivals
        ),
        published=secondary(float(elpd["C", "SimpleQA"]), f"{NOTES}, table 4"),
    )
    yield claim(
        id="10b",
        statement="It carries over to another task without refitting (R² at least 0.9)",
        source="E6",
        quantity="R² for mean confidence in the first-chosen option, over cells",
        region=Region(0.9, 1.0),
        test=_direct(measure, "r2_cells", "R² over cells", experiment="E6"),
        published=secondary(scalar(known, "R2_model_D_on_GSM_MC")),
    )


def _others(known: Any, measure: Measure) -> Iterator[Claim]:
    """Claims 11 and 12: the other models, and the role of stated accuracy."""
    rates: Any = known["rates"].set_index(["model", "contrast"])
    for model in (GEMMA_27B, GPT_4O, O1):
        row = rates.loc[(IN_TABLES[model], "all advice types")]
        yield claim(
            id=f"11a{SUFFIX[model]}",
            statement=f"The pattern repeats in {model}: shown its own first answer, it changes its "
            "mind less often",
            quantity=f"{RATE_GAP}, all advice",
            region=POSITIVE,
            models=(model,),
            test=_gap(measure.of(model), "E1"),
            published=secondary(round(row["difference_pp"] / 100, 3), str(row["source"])),
        )
    yield claim(
        id="11b",
        statement="DeepSeek R1 distilled 7B does not use advice (within 5 points), so it is no "
        "replication",
        source="E7",
        quantity="change-of-mind rate, opposite minus same, hidden",
        region=Region(-0.05, 0.05),
        models=(DEEPSEEK,),
        test=_direct(
            measure,
            "advice_use",
            "use of advice on the task of E7",
            experiment="E7",
            display="hidden",
        ),
        published=secondary("advice is not used", OTHER_NOTES),
    )
    yield claim(
        id="12",
        statement="Stated accuracy modulates the update",
        quantity="change-of-mind rate, opposite, hidden, highest minus lowest accuracy",
        region=POSITIVE,
        models=(GEMMA_12B, GEMMA_27B, GPT_4O),
        test=_direct(measure, "accuracy_effect", "the difference", display="hidden"),
        published=secondary("modulates", OTHER_NOTES),
    )


def _controls(known: Any, measure: Measure) -> Iterator[Claim]:
    """The paper's controls E2 and E4; E3 is claim 5."""
    wrong = scalar(known, "change_of_initial_answer_pct_answer_wrong_control")
    wrong -= scalar(known, "change_of_initial_answer_pct_answer_shown_reference")
    yield claim(
        id="E2",
        statement="Shown an answer that it did not give, a model leaves its own more often",
        source="E2",
        quantity="rate of leaving the first answer, other option shown minus own answer shown",
        region=POSITIVE,
        test=_direct(
            measure, "wrong_display_gap", "the gap", experiment="E2", display="wrong", advice="all"
        ),
        published=derived(wrong / 100, 3),
    )
    yield claim(
        id="E4",
        statement="In one conversation, showing the answer makes no difference (5 points)",
        source="E4",
        quantity=f"{RATE_GAP}, both turns in one conversation",
        region=Region(-0.05, 0.05),
        test=partial(
            measurements.untested,
            "the known accounts of the paper's result contradict each other; the gap is in the "
            "scores and in figure controls",
        ),
    )


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
