"""The claims of the paper, and four questions of our own.

Only the directions of the paper's results are known, not its numbers, and of its settings only the
data sets and the families of models. Its claims are about large reasoning models, so stand-ins are
measured in the same way but decide nothing; generated questions decide nothing either. Two limits
are ours: the margin of "does not hurt" (`power.py`), and half of a head's weight for "is an
induction head".
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from workflow_scripts.parallel_sequential import measurements, power
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.metrics import ANY, MAIN, MAJORITY, primary
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    ANY_MODEL,
    MOST,
    PAPER_MODEL,
    POSITIVE,
    Claim,
    Kind,
    Published,
    Region,
)

# The paper's families; sizes are not known. Only open weights show attention and log-probabilities.
FAMILIES = ("Qwen3", "DeepSeek-R1 distilled", "Gemini 2.5")
OPEN = FAMILIES[:2]
# The aggregators that the paper is said to use: the vote, and the best of N, by an oracle or by the
# model's own log-probability. A single attempt (last, random) aggregates nothing.
POOLING = (MAJORITY, ANY, "logprob")
REACHES = Region(low=0.0)
DISPUTED = "two accounts of the paper disagree on this claim; measured, not graded"
SECOND = "published-2nd"
DATA = {MATH: "AIME 2025", CODE: "LiveCodeBench"}

# What each figure shows, by the ids of claims.
FIGURES = {
    "accuracy": ("1a", "1b"),
    "cost": ("1c",),
    "aggregators": ("2",),
    "padding": ("3a", "3b", "3c"),
    "similarity": ("4a", "4d"),
    "unique": ("4b",),
    "transitions": ("4b",),
    "attribution": ("4c",),
    "instructions": ("4b",),
    "induction": ("5a", "5b", "5c"),
    "feedback": ("6a", "6b", "6c", "6d"),
    "controls": ("7",),
    "stopping": ("8",),
}


def all_claims(
    set_size: int,
    chains: int,
    questions: Mapping[str, int],
    lengths: Sequence[float],
    files: Mapping[str, bool],
    stopping: Mapping[str, Any] | None = None,
) -> list[Claim]:
    """The claims, at N = `set_size` attempts in each of `chains` chains.

    `questions` counts the questions of each domain; `lengths` are those of the unrelated text;
    `files` says for each domain whether its questions come from a file or are generated; `stopping`
    is the config's section, or None.
    """
    at = f"N = {set_size}"
    above = Published("parallel above sequential", "published", "abstract")
    # Whether a file holds the paper's questions cannot be checked: no copy of them is known.
    generated = {
        domain: f"the questions are generated; the paper asks those of {DATA[domain]} "
        f"(parallel_sequential.{domain}.file)"
        for domain in (MATH, CODE)
        if not files[domain]
    }
    claim = partial(Claim, decided_by=PAPER_MODEL, region=POSITIVE, models=FAMILIES)
    extension = partial(claim, kind=Kind.EXTENSION)

    def rows(metric: str, domains: Sequence[str], wanted: dict[str, Any]) -> dict[str, Any]:
        """Columns of the wanted rows by domain, with its main aggregator where any is named."""
        main = "aggregator" in wanted and wanted["aggregator"] is None
        return {
            domain: {"metric": metric} | wanted | ({"aggregator": primary(domain)} if main else {})
            for domain in domains
        }

    def every(metric: str, note: str, domains: Sequence[str] = (MATH, CODE), **wanted: Any) -> Any:
        found = rows(metric, domains, wanted)
        return partial(measurements.every, found, note, reason=generated)

    def least(metric: str, column: str, note: str, **wanted: Any) -> Any:
        found = rows(metric, (MATH, CODE), wanted)
        return partial(measurements.least, found, column, note, reason=generated)

    def ungraded(metric: str, note: str, arm: str, levels: bool = False) -> Any:
        wanted = {"arm": arm, "k": set_size} | ({} if levels else {"cell": ""})
        found = rows(metric, (MATH, CODE), wanted)
        return partial(measurements.every, found, note, reason=DISPUTED, levels=levels)

    def no_harm(name: str, domain: str) -> Claim:
        margin = power.no_harm_margin(questions[domain], chains, set_size, len(lengths))
        limit = min(margin, power.LARGEST)
        design = f"{questions[domain]} questions x {chains} chains x {set_size} attempts"
        wide = (
            f"{design} show the absence of harm up to {margin:.2f} only, and more than "
            f"{power.LARGEST} counts as harm; needs more questions or chains"
        )
        where = measurements.NAMES[domain]
        return claim(
            id=name,
            statement=f"Context length is not the cause: in {where}, unrelated text at least as "
            "long as the history does not hurt parallel sampling.",
            source="abstract; secondary overview G, digest H (P3)",
            quantity=f"accuracy with unrelated text minus without, worst of {len(lengths)} "
            f"lengths; harm is a loss above {limit:.3f}, the least that {design} rule out with "
            f"power {power.POWER}",
            region=Region(low=-limit),
            test=partial(
                measurements.unharmed,
                domain,
                set_size,
                limit,
                wide if margin > power.LARGEST else "",
                reason=generated,
            ),
            published=Published("no harm", SECOND, "secondary digest H"),
        )

    return [
        claim(
            id="1a",
            statement="Parallel sampling beats sequential sampling at equal N in mathematics.",
            source="abstract; secondary overview G (P1)",
            quantity=f"accuracy of the majority, parallel minus sequential, {at}",
            test=every("gap", "majority", [MATH], k=set_size, aggregator=MAJORITY),
            published=above,
        ),
        claim(
            id="1b",
            statement="Parallel sampling beats sequential sampling at equal N in code.",
            source="abstract; secondary overview G (P1)",
            quantity=f"share with a right program, parallel minus sequential, {at}",
            test=every("gap", "any right", [CODE], k=set_size, aggregator=ANY),
            published=above,
        ),
        extension(
            id="1c",
            statement="Parallel sampling beats sequential sampling at equal tokens.",
            source="our own question; the paper compares at equal N (P1)",
            quantity=f"accuracy of parallel attempts that cost as much as {set_size} sequential "
            "ones, prompts included, minus that of the latter, main aggregator",
            test=every(
                "gap_equal_tokens", "parallel attempts of all chains", k=set_size, aggregator=None
            ),
        ),
        claim(
            id="2",
            statement="The aggregator is not the cause: the gap remains under the same aggregator.",
            source="abstract; secondary overview G, digest H (P2)",
            quantity=f"smallest gap over the majority, any right and the best by log-probability, "
            f"{at}",
            test=least("gap", "aggregator", f"gap at {at}", k=set_size, aggregator=POOLING),
            published=Published("gap stays", "published", "abstract"),
        ),
        no_harm("3a", MATH),
        extension(
            id="3b",
            statement="With prompts of equal length, parallel sampling still beats sequential "
            "sampling.",
            source="our interpretation of claim 3 (P3)",
            quantity=f"accuracy of padded parallel attempts minus sequential, {at}, worst length, "
            "main aggregator",
            test=least("remaining_gap", "cell", "length as a multiple of the history", k=set_size),
        ),
        no_harm("3c", CODE),
        claim(
            id="4a",
            statement="Conditioned attempts are more similar to each other than parallel attempts.",
            source="abstract; secondary digest H (P4)",
            quantity="cosine of text embeddings of solutions to one question minus that between "
            "questions, sequential minus parallel",
            test=partial(
                every("similarity_excess", "text embeddings", cell="embedding"),
                absent="no text-embedding model in this run (parallel_sequential.embedder)",
            ),
            published=Published("parallel less similar", SECOND, "secondary digest H"),
        ),
        claim(
            id="4b",
            statement="Conditioned attempts repeat the previous answer.",
            source="abstract; secondary digest H (P4)",
            quantity="share of attempts that repeat the previous answer, sequential minus parallel",
            test=every("repeat_rate_excess", "consecutive attempts", k=set_size),
        ),
        claim(
            id="4c",
            statement="Lost exploration is the main cause of the gap.",
            source="abstract; secondary digest H (P4)",
            quantity=f"share of the gap at {at} that repeats explain: what parallel sets lose when "
            "they repeat themselves as often as sequential chains do beyond chance, main "
            "aggregator",
            region=MOST,
            test=partial(
                measurements.explained,
                rows("gap_explained_share", (MATH, CODE), {"experiment": "P4"}),
                "rebuilt chains",
                reason=generated,
            ),
        ),
        extension(
            id="4d",
            statement="Conditioned attempts are more similar in their wording than parallel "
            "attempts.",
            source="our own measure beside claim 4a (P4)",
            quantity="cosine of character n-grams of solutions to one question minus that between "
            "questions, sequential minus parallel",
            test=every("similarity_excess", "TF-IDF of character n-grams", cell="lexical"),
        ),
        claim(
            id="5a",
            statement="Some heads are induction heads.",
            source="secondary digests H, I, K (P6)",
            quantity="weight of the strongest head on the token after the first occurrence",
            region=MOST,
            models=OPEN,
            test=partial(
                every("strongest_induction_score", "head picked on other sequences", [MATH]),
                reason="",
            ),
            published=Published("present", SECOND, "secondary digest H"),
        ),
        claim(
            id="5b",
            statement="An earlier answer in the context makes the same answer more likely.",
            source="secondary digests H, I, K (P6)",
            quantity="log-probability of the earlier answer, with minus without the history, nats",
            models=OPEN,
            test=every("copying_gain", "no head ablated", [MATH], cell="none"),
        ),
        claim(
            id="5c",
            statement="Induction heads do the copying.",
            source="secondary digests H, I, K (P6)",
            quantity="gain of 5b without random heads minus gain without induction heads, nats",
            models=OPEN,
            test=every(
                "copying_lost_beyond_random", "interval over questions and random heads", [MATH]
            ),
        ),
        claim(
            id="6a",
            statement="With good feedback, sequential sampling reaches parallel sampling.",
            source="secondary digest H; overview I says the opposite (P7)",
            quantity=f"last attempt with oracle feedback minus parallel attempts, {at}, main "
            "aggregator",
            region=REACHES,
            test=ungraded("lead_without_feedback", "oracle feedback", "oracle"),
            published=Published("reaches parallel / cannot close the gap", SECOND, "H / I"),
        ),
        extension(
            id="6b",
            statement="With good feedback, sequential sampling reaches parallel sampling in which "
            "the same oracle selects the attempt.",
            source="our control for claim 6a (P7)",
            quantity=f"last attempt with oracle feedback minus any right parallel attempt, {at}",
            region=REACHES,
            # By difficulty too: one account says that parallel keeps its lead on hard problems.
            test=ungraded("lead_same_feedback", "oracle feedback in both arms", "oracle", True),
        ),
        extension(
            id="6c",
            statement="With weak feedback, sequential sampling reaches parallel sampling.",
            source="our control for claim 6a (P7)",
            quantity=f"last attempt minus the parallel attempt that weak feedback selects, {at}",
            region=REACHES,
            test=ungraded("lead_same_feedback", "weak feedback in both arms", "weak"),
        ),
        extension(
            id="6d",
            statement="Good feedback helps a sequential chain beyond choosing its right attempt.",
            source="what the accounts H, I and L of claim 6 have in common (P7)",
            quantity=f"share of chains that are right within {set_size} attempts, with oracle "
            "feedback minus without",
            test=every("gain_from_feedback", "oracle feedback", arm="oracle", k=set_size, cell=""),
        ),
        extension(
            id="7",
            statement="Rejecting repeats and looking for alternatives is a remedy.",
            source="secondary digest H, incomplete: recommended, not tested (P8)",
            quantity=f"accuracy with repeats redrawn minus sequential, {at}, main aggregator",
            test=every(
                "gain_over_sequential",
                "repeats redrawn",
                arm="resample",
                aggregator=None,
                k=set_size,
            ),
            published=Published("recommended", SECOND, "secondary digest H"),
        ),
        decided(stopping["pair"] if stopping else MAIN, at),
    ]


def decided(pair: Sequence[str], at: str) -> Claim:
    """The claim of our own about two arms that are asked until it is known which is better."""
    first, second = (f"arm `{arm}`" for arm in pair)
    return Claim(
        id="8",
        kind=Kind.OURS,
        decided_by=ANY_MODEL,
        source="ours (tests that stop)",
        statement=f"Asked until it is decided, {first} is right more often than {second}.",
        quantity=f"of the questions that only one of the two solves, the share of {first}, "
        f"{at}, main aggregator, interval at all times",
        region=MOST,
        test=measurements.stopped,
    )


if __name__ == "__main__":
    drawn = {name: ids for name, ids in FIGURES.items() if name != "stopping"}
    claims.run(snakemake, all_claims, FIGURES if snakemake.params.stopping else drawn)
