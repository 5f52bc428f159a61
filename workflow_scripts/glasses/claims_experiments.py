"""Claims G9 to G16: copying, counting, gaps by length and precision, order, cures."""

from collections.abc import Callable
from functools import partial

from workflow_scripts.glasses import measurements as m
from workflow_scripts.shared.claims import (
    MOST,
    NEGATIVE,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested

of_paper_model = partial(Claim, decided_by=PAPER_MODEL)
of_protocol = partial(Claim, decided_by=PROTOCOL)


def claims(published: Callable[[str], Published]) -> list[Claim]:
    """The claims; `published` looks a finding up in the published numbers."""
    return [
        of_paper_model(
            id="G9a",
            statement="The first element is copied better than the last.",
            source="section 3.1, figure 2",
            quantity="accuracy on the first minus accuracy on the last",
            region=POSITIVE,
            test=partial(m.in_models, "E1a", "first_over_last", "equal lengths"),
            published=Published("first better than last", "published", "section 3.1"),
        ),
        of_paper_model(
            id="G9b",
            statement="Errors on the last element begin at some length.",
            source="section 3.1",
            quantity="shortest sequence with a wrong last element",
            region=Region(low=0.0),
            test=partial(m.in_models, "E1a", "first_error_length", "edge sequences", task="last"),
            published=published("last-element copy of 1...10 starts to return 1"),
        ),
        of_paper_model(
            id="G9c",
            statement="A hint that the answer need not be 1 helps much.",
            source="section 3.1, figure 2",
            quantity="accuracy on the last with the hint minus accuracy without",
            region=POSITIVE,
            test=partial(m.in_models, "E1b", "hint_gain", "equal lengths"),
        ),
        *(
            of_paper_model(
                id=f"G9{letter}",
                statement=f"Interleaving zeros and ones helps ({what}).",
                source="section 3.1, figure 2",
                quantity="accuracy on the last, interleaved minus plain",
                region=POSITIVE,
                test=partial(m.in_models, "E1c", f"{name}_gain", "equal lengths"),
            )
            for letter, name, what in (
                ("d", "alternating", "1010…, text and caption"),
                ("e", "blocks", "11110 repeated, a blog's drawing"),
            )
        ),
        of_paper_model(
            id="G10a",
            statement="The error of counting grows with length, whatever the prompting.",
            source="figure 3",
            quantity="smallest rank correlation of absolute error and length over tasks",
            region=POSITIVE,
            test=m.error_trend,
            published=Published("grows for all prompts", "published-2nd", "secondary notes"),
        ),
        of_paper_model(
            id="G10b",
            statement="Answers pile up on round values, 100 above all, once lengths reach about "
            "100.",
            source="figure 4",
            quantity="share of answers that are 100, lengths from 100",
            region=MOST,
            test=partial(
                m.in_models,
                "E2",
                "hundred_share",
                "all tasks and promptings",
                task="all",
                prompting="all",
            ),
            published=published("predicted count that dominates the histogram"),
        ),
        of_paper_model(
            id="G11a",
            statement="In Gemma 7B the gap of repeated ones nears machine precision at about 50.",
            source="section 4, figure 5a",
            quantity="length from which the gap is at most one unit in the last place, bfloat16",
            region=Region(25.0, 100.0),
            test=m.gap_onset,
            published=published("Linf gap for counting all-ones prompt is near machine precision"),
        ),
        of_paper_model(
            id="G11b",
            statement="With random digits it nears machine precision later.",
            source="section 4, figure 5b",
            quantity="log10 of the gap of random digits over that of ones, mean over lengths",
            region=POSITIVE,
            test=partial(m.gap_ratio, "count_digits", "count_ones"),
        ),
        of_protocol(
            id="G11c",
            statement="At lower precision collapse comes earlier.",
            source="section 4, argued",
            quantity="log10 of the collapse length in float16 over that in bfloat16",
            region=POSITIVE,
            test=m.by_precision,
        ),
        of_paper_model(
            id="G12",
            statement="A comma after every third digit keeps representations apart.",
            source="section 4, figure 5d",
            quantity="log10 of the gap with commas over that without, mean over lengths",
            region=POSITIVE,
            test=partial(m.gap_ratio, "copy_separated", "copy_ones"),
        ),
        of_protocol(
            id="G13a",
            statement="Representations approach each other with every position encoding, in one "
            "random layer.",
            source="figure 10",
            quantity="log-log slope of the L1 gap against n, float64",
            region=NEGATIVE,
            test=partial(m.gap_slope, "E8", "attention", list(m.ENCODINGS), "E8, attention output"),
        ),
        of_protocol(
            id="G13b",
            statement="They collapse at similar lengths with all four encodings (taken as: within "
            "a factor of ten).",
            source="figure 10",
            quantity="earliest collapse length over the latest, bfloat16",
            region=Region(low=0.1),
            test=m.together,
        ),
        of_paper_model(
            id="G14a",
            statement="The order of the prompt changes accuracy.",
            source="appendix C.5, figure 11",
            quantity="size of the difference in accuracy between two orders",
            region=POSITIVE,
            test=m.order_matters,
        ),
        of_paper_model(
            id="G14b",
            statement="Both orders fail in the end.",
            source="appendix C.5, figure 11",
            quantity="accuracy at lengths from half of the longest on",
            region=Region(high=0.5),
            test=partial(m.in_models, "E5", "accuracy_longest", "edge sequences"),
        ),
        of_protocol(
            id="G15",
            statement="A sliding window keeps representations apart.",
            source="section 4, argued",
            quantity="gap at the longest length in units in the last place, bfloat16",
            region=Region(low=1.0 + 1.0e-9),
            test=partial(m.cure, "window", "one random layer, random digits"),
        ),
        Claim(
            id="G16a",
            statement="Paths at the front and recency at the end form a U: the last token is more "
            "sensitive to both ends than to the middle.",
            source="section 5",
            quantity="smaller end over the middle third, bound with recency, deepest stack",
            region=Region(low=1.0 + 1.0e-9),
            decided_by=THEORY,
            test=m.u_shape,
            published=Published("U-shape", "published-2nd", "secondary notes"),
        ),
        of_paper_model(
            id="G16b",
            statement="That U accounts for retrieval that depends on the position in the prompt.",
            source="section 5",
            quantity="accuracy at the ends minus accuracy in the middle",
            region=POSITIVE,
            test=partial(untested, "retrieval by position is not an experiment of the paper"),
        ),
    ]
