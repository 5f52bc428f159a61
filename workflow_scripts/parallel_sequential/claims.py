"""The seven claims of the paper, in fifteen testable parts.

Only the directions of the paper's results are known, not its numbers. Its claims are about large
reasoning models, so stand-ins are measured in the same way but decide nothing. Two limits are ours:
2 points of accuracy for "does not hurt", and half of a head's weight for "is an induction head".
"""

from functools import partial
from typing import Any

from workflow_scripts.parallel_sequential import measurements
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.metrics import AGGREGATORS
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import MOST, PAPER_MODEL, POSITIVE, Claim, Published, Region

NO_WORSE = Region(low=-0.02)
REACHES = Region(low=0.0)
DISPUTED = "two accounts of the paper disagree on this claim; measured, not graded"
SECOND = "published-2nd"


def all_claims(set_size: int) -> list[Claim]:
    """The claims, at N = `set_size` attempts."""
    claim = partial(Claim, decided_by=PAPER_MODEL, region=POSITIVE)
    at = f"N = {set_size}"
    # First attempts come from the same distribution in both arms: no gap is claimed for them.
    varied = {*AGGREGATORS, "chosen"} - {"first"}
    above = Published("parallel above sequential", "published", "abstract")

    def every(metric: str, note: str, **wanted: Any) -> Any:
        return partial(measurements.every, {"metric": metric, "domain": MATH} | wanted, note)

    def last(metric: str, note: str, **wanted: Any) -> Any:
        return every(metric, note, k=set_size, **wanted)

    def ungraded(metric: str, note: str, arm: str) -> Any:
        return partial(last(metric, note, arm=arm), reason=DISPUTED)

    def least(metric: str, column: str, note: str, **wanted: Any) -> Any:
        wanted = {"metric": metric, "domain": MATH, "k": set_size} | wanted
        return partial(measurements.least, wanted, column, note)

    return [
        claim(
            id="1a",
            statement="Parallel sampling beats sequential sampling at equal N in mathematics.",
            source="abstract; secondary overview G (P1)",
            quantity=f"accuracy of the majority, parallel minus sequential, {at}",
            test=last("gap", f"majority of {set_size}", aggregator="majority"),
            published=above,
        ),
        claim(
            id="1b",
            statement="Parallel sampling beats sequential sampling at equal N in code.",
            source="abstract; secondary overview G (P1)",
            quantity=f"share with a right program, parallel minus sequential, {at}",
            test=last("gap", f"any of {set_size}", domain=CODE, aggregator="any"),
            published=above,
        ),
        claim(
            id="2",
            statement="The aggregator is not the cause: the gap remains under every aggregator.",
            source="abstract; secondary overview G, digest H (P2)",
            quantity=f"smallest gap over the aggregators, {at}",
            test=least("gap", "aggregator", f"gap at {at}", aggregator=varied),
            published=Published("gap stays", "published", "abstract"),
        ),
        claim(
            id="3a",
            statement="Context length is not the cause: unrelated text at least as long as the "
            "history does not hurt parallel sampling.",
            source="abstract; secondary overview G, digest H (P3)",
            quantity="accuracy with unrelated text minus without, worst length (hurt: below -0.02)",
            region=NO_WORSE,
            test=least("accuracy_change", "cell", "padding as a multiple of the history"),
            published=Published("no harm", SECOND, "secondary digest H"),
        ),
        claim(
            id="3b",
            statement="With prompts of equal length, parallel sampling still beats sequential "
            "sampling.",
            source="our interpretation of claim 3 (P3)",
            quantity=f"majority's accuracy, padded parallel minus sequential, {at}, worst length",
            test=least("remaining_gap", "cell", "padding as a multiple of the history"),
        ),
        claim(
            id="4a",
            statement="Conditioned attempts are more similar to each other than parallel attempts.",
            source="abstract; secondary digest H (P4)",
            quantity="similarity of solutions to one question minus that between questions, "
            "sequential minus parallel",
            test=least("similarity_excess", "cell", "cosine of solutions", k=None),
            published=Published("parallel less similar", SECOND, "secondary digest H"),
        ),
        claim(
            id="4b",
            statement="Conditioned attempts repeat the previous answer.",
            source="abstract; secondary digest H (P4)",
            quantity="share of attempts that repeat the previous answer, sequential minus parallel",
            test=last("repeat_rate_excess", "consecutive attempts"),
        ),
        claim(
            id="4c",
            statement="Lost exploration is the main cause of the gap.",
            source="abstract; secondary digest H (P4)",
            quantity="effect of the conditioned arm given repeats minus half of that without them",
            test=measurements.explained,
        ),
        claim(
            id="5a",
            statement="Some heads are induction heads.",
            source="secondary digests H, I, K (P6)",
            quantity="weight of the strongest head on the token after the first occurrence",
            region=MOST,
            test=every("strongest_induction_score", "head picked on other sequences"),
            published=Published("present", SECOND, "secondary digest H"),
        ),
        claim(
            id="5b",
            statement="An earlier answer in the context makes the same answer more likely.",
            source="secondary digests H, I, K (P6)",
            quantity="log-probability of the earlier answer, with minus without the history, nats",
            test=every("copying_gain", "no head ablated", cell="none"),
        ),
        claim(
            id="5c",
            statement="Induction heads do the copying.",
            source="secondary digests H, I, K (P6)",
            quantity="gain of 5b without random heads minus gain without induction heads, nats",
            test=every("copying_lost_beyond_random", "ablation of the strongest induction heads"),
        ),
        claim(
            id="6a",
            statement="With good feedback, sequential sampling reaches parallel sampling.",
            source="secondary digest H; overview I says the opposite (P7)",
            quantity=f"last attempt with oracle feedback minus majority of parallel attempts, {at}",
            region=REACHES,
            test=ungraded("lead_without_feedback", "oracle feedback", "oracle"),
            published=Published("reaches parallel / cannot close the gap", SECOND, "H / I"),
        ),
        claim(
            id="6b",
            statement="With good feedback, sequential sampling reaches parallel sampling in which "
            "the same oracle selects the attempt.",
            source="secondary digest H; overview I says the opposite (P7)",
            quantity=f"last attempt with oracle feedback minus any right parallel attempt, {at}",
            region=REACHES,
            test=ungraded("lead_same_feedback", "oracle feedback in both arms", "oracle"),
        ),
        claim(
            id="6c",
            statement="With weak feedback, sequential sampling reaches parallel sampling.",
            source="secondary digest H; overview I says the opposite (P7)",
            quantity=f"last attempt minus the parallel attempt that weak feedback selects, {at}",
            region=REACHES,
            test=ungraded("lead_same_feedback", "weak feedback in both arms", "weak"),
        ),
        claim(
            id="7",
            statement="Rejecting repeats and looking for alternatives is a remedy.",
            source="secondary digest H, incomplete (P8)",
            quantity=f"accuracy of the majority with repeats redrawn minus sequential, {at}",
            test=last(
                "gain_over_sequential", "repeats redrawn", arm="resample", aggregator="majority"
            ),
            published=Published("recommended", SECOND, "secondary digest H"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
