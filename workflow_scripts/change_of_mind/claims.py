"""The twelve claims of the paper, its controls, and what our scores say about each.

Claims are about Gemma 3, GPT-4o and o1-preview, so only those models decide them; other models and
stand-ins are measured by the same rules. Where the paper says "about zero", "hardly" or "matches",
the region is the published value give or take a margin stated in the quantity: no published spread
is known. Artificial answerers are no evidence on a claim; they are in the scores and in figure
`recovery`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.change_of_mind import measuring
from workflow_scripts.shared import claims, job, provenance, schemas, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region

PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
POSITIVE = Region(low=1.0e-9)  # zero itself is not in it
NEGATIVE = Region(high=-1.0e-9)
SECOND = "published-2nd"
BIG = "Gemma-3-12B"


def around(value: float, margin: float) -> Region:
    return Region(value - margin, value + margin)


def build(published: dict[str, Any], models: Sequence[str]) -> list[Claim]:
    """The claims; `published` maps the published tables' short names to their rows."""
    rates = published["rates"].set_index(["model", "contrast"])
    scalars = published["scalars"]
    gain = published["gain"].set_index("model")["confidence_gain_from_seeing_own_answer"]
    over = published["overweighting"].set_index(["model", "advice_type"])
    ratio = over["ratio_observed_over_bayes"]
    oucs = published["oucs"].set_index(["model", "advice_type", "display_type"])["oucs"]
    sigmoid = published["sigmoid"].set_index("advice_accuracy_pct")["inflection_confidence"]
    elpd = published["elpd"].set_index(["model_variant", "dataset"])["elpd_diff_vs_best"]

    def scalar(quantity: str, scope: str = BIG) -> float:
        rows = scalars[scalars["quantity"] == quantity]
        return float(rows[rows["scope"].str.startswith(scope)]["value"].iloc[0])

    def claim(
        number: str, text: str, where: str, quantity: str, region: Region, test: Any, known: Any
    ) -> Claim:
        shown = None if known is None else Published(*known)
        return Claim(number, text, where, quantity, region, PAPER_MODEL, test, shown)

    def direct(metric: str, note: str, reason: str | None = None, **wanted: Any) -> Any:
        wanted = {"experiment": "E1"} | wanted
        return partial(measuring.direct, models, metric, note, wanted, reason)

    def ratio_of(advice: str) -> Any:
        note = "the ratio, trial by trial"
        return direct("overweighting", note, display="hidden", advice=advice, accuracy="all")

    notes, both = "secondary notes A", "secondary notes A and B"
    overall = rates.loc[BIG, "all advice types"]
    opposite = rates.loc[BIG, "opposite advice"]
    other = rates.loc[BIG, "control: first answer attributed to another LLM"]
    transfer = scalar("R2_model_D_on_GSM_MC", "initially chosen")
    wrong = scalar("change_of_initial_answer_pct_answer_wrong_control")
    wrong -= scalar("change_of_initial_answer_pct_answer_shown_reference")
    return [
        claim(
            "1a",
            "Shown its own first answer, a model changes its mind less often",
            "E1",
            "change-of-mind rate, hidden less shown, all advice",
            POSITIVE,
            direct("change_rate_gap", "the gap over all advice", advice="all"),
            (round(overall["difference_pp"] / 100, 3), SECOND, both),
        ),
        claim(
            "1b",
            "Shown its own first answer, a model changes its mind less often, other factors held",
            "E1",
            "logistic coefficient of the shown flag",
            NEGATIVE,
            direct("logit_shown", "the coefficient (covariates assumed)"),
            (scalar("logit_coef_display_shown"), SECOND, notes),
        ),
        claim(
            "1c",
            "Shown its own first answer, a model has lower odds of changing its mind",
            "journal version",
            "odds of a change, shown over hidden, all advice",
            Region(0.0, 1 - 1.0e-9),
            direct("change_odds_ratio", "the odds ratio over all advice", advice="all"),
            (
                round(
                    1 - scalar("odds_reduction_pct_when_answer_shown", "Nature Machine") / 100, 2
                ),
                SECOND,
                "summaries of the journal version",
            ),
        ),
        claim(
            "2",
            "With the answer shown and advice that agrees or is neutral, minds hardly change",
            "E1",
            "larger of the two change-of-mind rates (claimed: about 0; here: at most 0.05)",
            Region(0.0, 0.05),
            partial(
                measuring.extreme,
                models,
                "change_rate",
                "rate, answer shown",
                True,
                {"experiment": "E1", "display": "shown", "accuracy": "all"},
                "advice",
                ("same", "neutral"),
            ),
            ("about 0", SECOND, notes),
        ),
        claim(
            "3a",
            "With opposing advice and the answer hidden, most minds change (within 5 points)",
            "E1",
            "change-of-mind rate, opposite, hidden",
            around(opposite["hidden_pct"] / 100, 0.05),
            direct("change_rate", "rate", display="hidden", advice="opposite", accuracy="all"),
            (opposite["hidden_pct"] / 100, SECOND, "secondary notes B"),
        ),
        claim(
            "3b",
            "With opposing advice and the answer shown, a minority changes (within 5 points)",
            "E1",
            "change-of-mind rate, opposite, shown",
            around(opposite["shown_pct"] / 100, 0.05),
            direct("change_rate", "rate", display="shown", advice="opposite", accuracy="all"),
            (opposite["shown_pct"] / 100, SECOND, "secondary notes B"),
        ),
        claim(
            "4",
            "Seeing its own answer raises confidence in it with no new information",
            "E1",
            "confidence change under neutral advice, shown less hidden",
            POSITIVE,
            direct("confidence_gain", "the gain", advice="neutral"),
            (float(gain[BIG]), SECOND, both),
        ),
        claim(
            "5",
            "Said to be another model's, the displayed answer has no such effect (5 points)",
            "E3",
            "change-of-mind rate, hidden less shown, answer attributed to another model",
            Region(-0.05, 0.05),
            direct("change_rate_gap", "the gap over all advice", experiment="E3", advice="all"),
            (other["difference_pp"] / 100, SECOND, both),
        ),
        claim(
            "6a",
            "Opposing advice is overweighted",
            "E1",
            "observed over ideal update, opposite, hidden",
            Region(low=1 + 1.0e-9),
            ratio_of("opposite"),
            (float(ratio[BIG, "opposite"]), SECOND, notes),
        ),
        claim(
            "6b",
            "Agreeing advice is hardly overweighted (within 0.2 of the published ratio)",
            "E1",
            "observed over ideal update, same, hidden",
            around(ratio[BIG, "same"], 0.2),
            ratio_of("same"),
            (float(ratio[BIG, "same"]), SECOND, notes),
        ),
        claim(
            "6c",
            "Criticism weighs more than support: the reverse of a confirmation bias",
            "E1",
            "ratio under opposing less ratio under agreeing advice, hidden",
            POSITIVE,
            direct("overweighting_opposite_less_same", "the difference", display="hidden"),
            (round(ratio[BIG, "opposite"] - ratio[BIG, "same"], 3), "derived", notes),
        ),
        claim(
            "7a",
            "The less confident the first answer, the likelier the change",
            "E1",
            "slope of the line through binned rates, all conditions",
            NEGATIVE,
            direct("line_slope", "the slope", display="all"),
            None,
        ),
        claim(
            "7b",
            "A line describes change of mind against first confidence (R² of 0.9 or more)",
            "E1",
            "R² of the line, all conditions",
            Region(0.9, 1.0),
            direct("line_r2", "R²", display="all"),
            (scalar("R2_linear_confidence_vs_com_all_conditions"), SECOND, notes),
        ),
        claim(
            "8a",
            "With the answer hidden and advice against it, the relation is a sigmoid, not a line",
            "E1",
            "R² of the sigmoid less R² of the line",
            POSITIVE,
            direct("sigmoid_less_line_r2", "the difference", display="hidden", accuracy="all"),
            (
                round(
                    scalar("R2_sigmoid_hidden_opposite") - scalar("R2_linear_hidden_opposite"), 2
                ),
                "derived",
                notes,
            ),
        ),
        claim(
            "8b",
            "The sigmoid's midpoint rises with the stated accuracy of the advice",
            "E1",
            "midpoint at 70 % less midpoint at 50 %",
            POSITIVE,
            direct("midpoint_rise", "the rise", accuracy="70"),
            (round(sigmoid[70] - sigmoid[50], 2), "derived", notes),
        ),
        *(
            claim(
                number,
                text,
                "E1",
                f"OUCS, {advice}, {display}",
                region,
                direct("oucs", "OUCS", display=display, advice=advice, accuracy="all"),
                (float(oucs[BIG, advice, display]), SECOND, f"{notes}, table 1"),
            )
            for number, text, advice, display, region in (
                (
                    "9a",
                    "Answer hidden, neutral advice: confidence is the ideal observer's (±0.02)",
                    "neutral",
                    "hidden",
                    Region(-0.02, 0.02),
                ),
                (
                    "9b",
                    "Showing the answer makes it too confident",
                    "neutral",
                    "shown",
                    POSITIVE,
                ),
                (
                    "9c",
                    "Opposing advice makes it too little confident",
                    "opposite",
                    "hidden",
                    NEGATIVE,
                ),
            )
        ),
        claim(
            "10a",
            "Of four nested regressions, that with a shown flag and separate weights wins",
            "E5",
            "ELPD of D less that of its closest rival (in the paper C)",
            POSITIVE,
            partial(
                measuring.extreme,
                models,
                "elpd_lead_of_D",
                "the lead over the closest rival",
                False,
                {"experiment": "E5"},
                "variant",
                ("A", "B", "C"),
            ),
            (float(elpd["C", "SimpleQA"]), SECOND, f"{notes}, table 4"),
        ),
        claim(
            "10b",
            "It carries over to another task without refitting (R² of 0.9 or more)",
            "E6",
            "R² for mean confidence in the first-chosen option, over cells",
            Region(0.9, 1.0),
            direct("r2_cells", "R² over cells", experiment="E6"),
            (transfer, SECOND, notes),
        ),
        claim(
            "11a",
            "The pattern repeats in the other models",
            "E1",
            "change-of-mind rate, hidden less shown, all advice",
            POSITIVE,
            direct("change_rate_gap", "the gap over all advice", advice="all"),
            ("0.167 (27B), 0.153 (GPT-4o), 0.245 (o1-preview)", SECOND, both),
        ),
        claim(
            "11b",
            "A distilled 7B model does not use advice (within 5 points), so it is no replication",
            "E7",
            "change-of-mind rate, opposite less same, hidden",
            Region(-0.05, 0.05),
            direct(
                "advice_use",
                "use of advice on the task of E7",
                "about the distilled DeepSeek 7B alone",
                experiment="E7",
                display="hidden",
            ),
            ("advice is not used", SECOND, "secondary notes B"),
        ),
        claim(
            "12",
            "Stated accuracy modulates the update",
            "E1",
            "change-of-mind rate under opposing advice, highest less lowest accuracy, hidden",
            POSITIVE,
            direct("accuracy_effect", "the difference", display="hidden"),
            ("modulates", SECOND, "secondary notes B"),
        ),
        claim(
            "E2",
            "Shown an answer that it did not give, a model leaves its own more often",
            "E2",
            "rate of leaving the first answer, not-chosen option shown less own answer shown",
            POSITIVE,
            direct("wrong_display_gap", "the gap", experiment="E2", display="wrong", advice="all"),
            (round(wrong / 100, 3), "derived", notes),
        ),
        claim(
            "E4",
            "In one conversation, showing the answer makes no difference (5 points)",
            "E4",
            "change-of-mind rate, hidden less shown, both turns in one conversation",
            Region(-0.05, 0.05),
            direct(
                "change_rate_gap",
                "the gap over all advice",
                "what is known of the paper's result contradicts itself; recorded, not graded",
                experiment="E4",
                advice="all",
            ),
            None,
        ),
    ]


def main(
    scores: str | Path,
    published: dict[str, str],
    path: str | Path,
    models: dict[str, Any],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Judge the claims on the scores and write them."""
    known = {name: pd.read_csv(file) for name, file in published.items()}
    claims.write(
        path,
        build(known, list(models)),
        tables.read(scores, schemas.SCORES),
        claims.evidence_of(models, "change_of_mind"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        given = dict(snakemake.input.items())
        main(
            given.pop("scores"),
            given,
            snakemake.output.claims,
            snakemake.params.models,
            provenance.of(snakemake),
        )
