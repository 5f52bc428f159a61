"""The twelve claims of the paper, its controls, and the scores that decide each.

The claims are about Gemma 3, GPT-4o and o1-preview, so only those models decide them; other models
and stand-ins are measured in the same way. Where the paper says "about zero", "hardly" or
"matches", the region is the published value plus or minus a margin that the statement or the
quantity gives: no published spread is known. Artificial answerers are not evidence for a claim;
they are in the scores and in figure `recovery`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from workflow_scripts.change_of_mind import measurements
from workflow_scripts.change_of_mind.published import MODEL, read_tables, scalar
from workflow_scripts.shared import claims
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
claim = partial(Claim, source="E1", decided_by=PAPER_MODEL)
NOTES, OTHER_NOTES, BOTH = "secondary notes A", "secondary notes B", "secondary notes A and B"
RATE_GAP = "change-of-mind rate, hidden minus shown"


def secondary(value: float | str, source: str = NOTES) -> Published:
    """A published number that is known to us from secondary notes."""
    return Published(value, "published-2nd", source)


def derived(value: float, digits: int) -> Published:
    """A number computed from published ones."""
    return Published(round(value, digits), "derived", NOTES)


def all_claims(published: Sequence[str], models: dict[str, Any]) -> list[Claim]:
    """The claims; `published` are the paths of the published tables."""
    known = read_tables(published)
    rates: Any = known["rates"].set_index(["model", "contrast"])
    gain = known["confidence_boost"].set_index("model")["confidence_gain_from_seeing_own_answer"]
    over = known["overweighting"].set_index(["model", "advice_type"])
    ratio = over["ratio_observed_over_bayes"]
    oucs = known["oucs"].set_index(["model", "advice_type", "display_type"])["oucs"]
    sigmoid = known["sigmoid"].set_index("advice_accuracy_pct")["inflection_confidence"]
    elpd = known["elpd"].set_index(["model_variant", "dataset"])["elpd_diff_vs_best"]
    overall = rates.loc[MODEL, "all advice types"]
    opposite = rates.loc[MODEL, "opposite advice"]
    other = rates.loc[MODEL, "control: first answer attributed to another LLM"]
    odds = scalar(known, "odds_reduction_pct_when_answer_shown")
    bend = scalar(known, "R2_sigmoid_hidden_opposite") - scalar(known, "R2_linear_hidden_opposite")
    wrong = scalar(known, "change_of_initial_answer_pct_answer_wrong_control")
    wrong -= scalar(known, "change_of_initial_answer_pct_answer_shown_reference")

    def direct(metric: str, note: str, reason: str | None = None, **wanted: Any) -> Any:
        wanted = {"experiment": "E1", "metric": metric} | wanted
        return partial(measurements.direct, list(models), note, reason, wanted)

    def gap(experiment: str, reason: str | None = None) -> Any:
        note = "the gap over all advice"
        return direct("change_rate_gap", note, reason, experiment=experiment, advice="all")

    def extreme(which: Extreme, metric: str, note: str, **wanted: Any) -> Any:
        wanted = {"experiment": "E1", "metric": metric} | wanted
        return partial(measurements.extreme, list(models), note, which, wanted)

    def opposite_rate(name: str, display: str, outcome: str) -> Claim:
        where = {"display": display, "advice": "opposite", "accuracy": "all"}
        published = opposite[f"{display}_pct"] / 100
        return claim(
            id=name,
            statement=f"With opposing advice and the answer {display}, {outcome} (within 5 points)",
            quantity=f"change-of-mind rate, opposite, {display}",
            region=around(published, 0.05),
            test=direct("change_rate", "rate", **where),
            published=secondary(published, OTHER_NOTES),
        )

    def overweighting(name: str, statement: str, advice: str, region: Region) -> Claim:
        where = {"display": "hidden", "advice": advice, "accuracy": "all"}
        return claim(
            id=name,
            statement=statement,
            quantity=f"observed over ideal update, {advice}, hidden",
            region=region,
            test=direct("overweighting", "the ratio, trial by trial", **where),
            published=secondary(float(ratio[MODEL, advice])),
        )

    def miscalibration(
        name: str, statement: str, advice: str, display: str, region: Region
    ) -> Claim:
        where = {"display": display, "advice": advice, "accuracy": "all"}
        return claim(
            id=name,
            statement=statement,
            quantity=f"OUCS, {advice}, {display}",
            region=region,
            test=direct("oucs", "OUCS", **where),
            published=secondary(float(oucs[MODEL, advice, display]), f"{NOTES}, table 1"),
        )

    agreeing = {"display": "shown", "advice": ["same", "neutral"], "accuracy": "all"}
    rivals = {"experiment": "E5", "variant": ["A", "B", "C"]}
    calibrated = "Answer hidden, neutral advice: confidence equals the ideal observer's (±0.02)"
    hardly = "Agreeing advice is hardly overweighted (within 0.2 of the published ratio)"
    return [
        claim(
            id="1a",
            statement="Shown its own first answer, a model changes its mind less often",
            quantity=f"{RATE_GAP}, all advice",
            region=POSITIVE,
            test=gap("E1"),
            published=secondary(round(overall["difference_pp"] / 100, 3), BOTH),
        ),
        claim(
            id="1b",
            statement="With other factors held constant, seeing its own first answer makes a model "
            "change its mind less often",
            quantity="logistic coefficient of the shown flag",
            region=NEGATIVE,
            test=direct("logit_shown", "the coefficient (covariates assumed)"),
            published=secondary(scalar(known, "logit_coef_display_shown", MODEL)),
        ),
        claim(
            id="1c",
            statement="Shown its own first answer, a model has lower odds of changing its mind",
            source="journal version",
            quantity="odds of a change, shown over hidden, all advice",
            region=Region(0.0, 1 - 1.0e-9),
            test=direct("change_odds_ratio", "the odds ratio over all advice", advice="all"),
            published=secondary(round(1 - odds / 100, 2), "summaries of the journal version"),
        ),
        claim(
            id="2",
            statement="With the answer shown, agreeing and neutral advice hardly ever change it",
            quantity="larger of the two change-of-mind rates (claimed: about 0; here: up to 0.05)",
            region=Region(0.0, 0.05),
            test=extreme("largest", "change_rate", "rate, answer shown", **agreeing),
            published=secondary("about 0"),
        ),
        opposite_rate("3a", "hidden", "most answers change"),
        opposite_rate("3b", "shown", "a minority of answers changes"),
        claim(
            id="4",
            statement="Seeing its own answer raises confidence in it with no new information",
            quantity="confidence change under neutral advice, shown minus hidden",
            region=POSITIVE,
            test=direct("confidence_gain", "the gain", advice="neutral"),
            published=secondary(float(gain[MODEL]), BOTH),
        ),
        claim(
            id="5",
            statement="Attributed to another model, the answer has no such effect (5 points)",
            source="E3",
            quantity=f"{RATE_GAP}, answer attributed to another model",
            region=Region(-0.05, 0.05),
            test=gap("E3"),
            published=secondary(other["difference_pp"] / 100, BOTH),
        ),
        overweighting("6a", "Opposing advice is overweighted", "opposite", Region(low=1 + 1.0e-9)),
        overweighting("6b", hardly, "same", around(ratio[MODEL, "same"], 0.2)),
        claim(
            id="6c",
            statement="Criticism weighs more than support: the reverse of a confirmation bias",
            quantity="ratio under opposing minus ratio under agreeing advice, hidden",
            region=POSITIVE,
            test=direct("overweighting_opposite_less_same", "the difference", display="hidden"),
            published=derived(ratio[MODEL, "opposite"] - ratio[MODEL, "same"], 3),
        ),
        claim(
            id="7a",
            statement="The lower the confidence in the first answer, the likelier a change of mind",
            quantity="slope of the line through binned rates, all conditions",
            region=NEGATIVE,
            test=direct("line_slope", "the slope", display="all"),
        ),
        claim(
            id="7b",
            statement="A line describes change of mind against first confidence (R² at least 0.9)",
            quantity="R² of the line, all conditions",
            region=Region(0.9, 1.0),
            test=direct("line_r2", "R²", display="all"),
            published=secondary(scalar(known, "R2_linear_confidence_vs_com_all_conditions")),
        ),
        claim(
            id="8a",
            statement="With the answer hidden and opposing advice, the relation is a sigmoid, not "
            "a line",
            quantity="R² of the sigmoid minus R² of the line",
            region=POSITIVE,
            test=direct("sigmoid_less_line_r2", "the difference", display="hidden", accuracy="all"),
            published=derived(bend, 2),
        ),
        claim(
            id="8b",
            statement="The sigmoid's midpoint rises with the stated accuracy of the advice",
            quantity="midpoint at 70 % minus midpoint at 50 %",
            region=POSITIVE,
            test=direct("midpoint_rise", "the rise", accuracy="70"),
            published=derived(sigmoid[70] - sigmoid[50], 2),
        ),
        miscalibration("9a", calibrated, "neutral", "hidden", Region(-0.02, 0.02)),
        miscalibration(
            "9b", "Showing the answer causes overconfidence", "neutral", "shown", POSITIVE
        ),
        miscalibration(
            "9c", "Opposing advice causes underconfidence", "opposite", "hidden", NEGATIVE
        ),
        claim(
            id="10a",
            statement="Of four regressions, the one with a shown flag and separate weights wins",
            source="E5",
            quantity="ELPD of D minus that of its closest rival (in the paper C)",
            region=POSITIVE,
            test=extreme("least", "elpd_lead_of_D", "the lead over the closest rival", **rivals),
            published=secondary(float(elpd["C", "SimpleQA"]), f"{NOTES}, table 4"),
        ),
        claim(
            id="10b",
            statement="It carries over to another task without refitting (R² at least 0.9)",
            source="E6",
            quantity="R² for mean confidence in the first-chosen option, over cells",
            region=Region(0.9, 1.0),
            test=direct("r2_cells", "R² over cells", experiment="E6"),
            published=secondary(scalar(known, "R2_model_D_on_GSM_MC")),
        ),
        claim(
            id="11a",
            statement="The pattern repeats in the other models",
            quantity=f"{RATE_GAP}, all advice",
            region=POSITIVE,
            test=gap("E1"),
            published=secondary("0.167 (27B), 0.153 (GPT-4o), 0.245 (o1-preview)", BOTH),
        ),
        claim(
            id="11b",
            statement="A distilled 7B model does not use advice (within 5 points), so it is no "
            "replication",
            source="E7",
            quantity="change-of-mind rate, opposite minus same, hidden",
            region=Region(-0.05, 0.05),
            test=direct(
                "advice_use",
                "use of advice on the task of E7",
                "about the distilled DeepSeek 7B alone",
                experiment="E7",
                display="hidden",
            ),
            published=secondary("advice is not used", OTHER_NOTES),
        ),
        claim(
            id="12",
            statement="Stated accuracy modulates the update",
            quantity="change-of-mind rate, opposite, hidden, highest minus lowest accuracy",
            region=POSITIVE,
            test=direct("accuracy_effect", "the difference", display="hidden"),
            published=secondary("modulates", OTHER_NOTES),
        ),
        claim(
            id="E2",
            statement="Shown an answer that it did not give, a model leaves its own more often",
            source="E2",
            quantity="rate of leaving the first answer, other option shown minus own answer shown",
            region=POSITIVE,
            test=direct(
                "wrong_display_gap", "the gap", experiment="E2", display="wrong", advice="all"
            ),
            published=derived(wrong / 100, 3),
        ),
        claim(
            id="E4",
            statement="In one conversation, showing the answer makes no difference (5 points)",
            source="E4",
            quantity=f"{RATE_GAP}, both turns in one conversation",
            region=Region(-0.05, 0.05),
            test=gap("E4", "the known accounts of the paper's result contradict each other"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
