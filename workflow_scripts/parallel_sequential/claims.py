"""The seven claims of the paper, and what our scores say about each.

No number of the paper is known, only directions. Claims are about large reasoning models;
stand-ins are measured by the same rules and decide nothing. The margin of two points for
"does not hurt" and the half of its weight that makes a head an induction head are ours.
"""

from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.parallel_sequential import measurements
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.shared import claims, job, provenance, schemas, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region

PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
POSITIVE = Region(low=1.0e-9)
NO_WORSE = Region(low=-0.02)
MOST = Region(low=0.5)
DISPUTED = "two accounts of the paper disagree on this; measured, not graded"


def build(attempts: int) -> list[Claim]:
    """The claims, at N = `attempts`."""

    def claim(
        number: str, text: str, where: str, quantity: str, region: Region, test: Any, **more: Any
    ) -> Claim:
        return Claim(number, text, where, quantity, region, PAPER_MODEL, test, **more)

    def every(metric: str, note: str, **wanted: Any) -> Any:
        return partial(measurements.every, metric, note, {"domain": MATH} | wanted)

    def ungraded(metric: str, note: str, **wanted: Any) -> Any:
        return partial(every(metric, note, k=attempts, **wanted), reason=DISPUTED)

    def least(metric: str, column: str, note: str, *leave_out: str, **wanted: Any) -> Any:
        wanted = {"domain": MATH, "k": attempts} | wanted
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return partial(measurements.least, metric, column, note, wanted, leave_out=tuple(leave_out))

    second = "published-2nd"
    both = "abstract; secondary overview G, digest H"
    at = f"N = {attempts}"
    above = Published("parallel above sequential", "published", "abstract")
    return [
        claim(
            "1a",
            "Parallel sampling beats sequential sampling at equal N on mathematics",
            "abstract; secondary overview G (P1)",
            f"accuracy of the majority, parallel less sequential, {at}",
            POSITIVE,
            every("gap", f"majority of {attempts}", aggregator="majority", k=attempts),
            published=above,
        ),
        claim(
            "1b",
            "Parallel sampling beats sequential sampling at equal N on code",
            "abstract; secondary overview G (P1)",
            f"share with a right program, parallel less sequential, {at}",
            POSITIVE,
            every("gap", f"any of {attempts}", domain=CODE, aggregator="any", k=attempts),
            published=above,
        ),
        claim(
            "2",
            "The aggregator is not the cause: under every one the gap stays",
            f"{both} (P2)",
            f"least gap over the aggregators, {at}",
            POSITIVE,
            # The first attempts are draws from one distribution in both arms: no gap is claimed.
            least("gap", "aggregator", f"gap at {at}", "first"),
            published=Published("gap stays", "published", "abstract"),
        ),
        claim(
            "3a",
            "Context length is not the cause: unrelated text as long as the history or longer does "
            "no harm to parallel sampling",
            f"{both} (P3)",
            "accuracy with unrelated text less without, worst length (harm: over 2 points)",
            NO_WORSE,
            least("accuracy_change", "cell", "padding in lengths of the history", experiment="P3"),
            published=Published("no harm", second, "secondary digest H"),
        ),
        claim(
            "3b",
            "With its prompts made as long, parallel sampling still beats sequential sampling",
            "our reading of claim 3 (P3)",
            f"accuracy of the majority, padded parallel less sequential, {at}, worst length",
            POSITIVE,
            least("remaining_gap", "cell", "padding in lengths of the history", experiment="P3"),
        ),
        claim(
            "4a",
            "Conditioned attempts are more like one another than parallel ones",
            "abstract; secondary digest H (P4)",
            "similarity of solutions to one question above that between questions, sequential less "
            "parallel",
            POSITIVE,
            least("similarity_excess", "cell", "cosine of solutions", k=None, experiment="P4"),
            published=Published("parallel less similar", second, "secondary digest H"),
        ),
        claim(
            "4b",
            "Conditioned attempts repeat the answer before them",
            "abstract; secondary digest H (P4)",
            "share of attempts that give the answer of the one before, sequential less parallel",
            POSITIVE,
            every("repeat_rate_excess", "consecutive attempts", k=attempts),
        ),
        claim(
            "4c",
            "Lost exploration is the main cause of the gap",
            "abstract; secondary digest H (P4)",
            "effect of the conditioned arm on a right answer given repeats, less half of the one "
            "without",
            POSITIVE,
            measurements.explained,
        ),
        claim(
            "5a",
            "Some heads are induction heads",
            "secondary digests H, I, K (P6)",
            "weight of the strongest head on the token after the first occurrence (claimed: most)",
            MOST,
            every("strongest_induction_score", "head picked on other sequences"),
            published=Published("present", second, "secondary digest H"),
        ),
        claim(
            "5b",
            "An earlier answer in the context draws the next answer to itself",
            "secondary digests H, I, K (P6)",
            "log-probability of the earlier, wrong answer with the history less without, nats",
            POSITIVE,
            every("copying_gain", "no head switched off", cell="none"),
        ),
        claim(
            "5c",
            "Induction heads do the copying",
            "secondary digests H, I, K (P6)",
            "that gain without as many random heads, less that without the induction heads, nats",
            POSITIVE,
            every("copying_lost_beyond_random", "ablation of the strongest induction heads"),
        ),
        claim(
            "6a",
            "With good feedback of the environment sequential sampling reaches parallel sampling",
            "secondary digest H; overview I says the opposite (P7)",
            f"last attempt with an oracle less the majority of parallel attempts, {at}",
            Region(low=0.0),
            ungraded("lead_without_feedback", "oracle feedback", arm="oracle"),
            published=Published("reaches parallel / cannot close the gap", second, "H / I"),
        ),
        claim(
            "6b",
            "The same, against parallel attempts that the same oracle selects from",
            "secondary digest H; overview I says the opposite (P7)",
            f"last attempt with an oracle less any right parallel attempt, {at}",
            Region(low=0.0),
            ungraded("lead_same_feedback", "oracle feedback on both sides", arm="oracle"),
        ),
        claim(
            "6c",
            "With weak feedback sequential sampling reaches parallel sampling",
            "secondary digest H; overview I says the opposite (P7)",
            f"last attempt with weak feedback less the parallel attempt that it selects, {at}",
            Region(low=0.0),
            ungraded("lead_same_feedback", "weak feedback on both sides", arm="weak"),
        ),
        claim(
            "7",
            "Rejecting repeats and looking for alternatives is a remedy",
            "secondary digest H, incomplete (P8)",
            f"accuracy of the majority with repeats drawn again less sequential, {at}",
            POSITIVE,
            every(
                "gain_over_sequential",
                "repeats drawn again",
                arm="resample",
                aggregator="majority",
                k=attempts,
            ),
            published=Published("recommended", second, "secondary digest H"),
        ),
    ]


def main(
    scores: str | Path,
    path: str | Path,
    models: dict[str, Any],
    attempts: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Judge the claims on the scores and write them."""
    claims.write(
        path,
        build(attempts),
        tables.read(scores, schemas.SCORES),
        claims.evidence_of(models, "parallel_sequential"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.output.claims,
            snakemake.params.models,
            snakemake.params.attempts,
            provenance.of(snakemake),
        )
