"""Claims G9 to G16: copying, counting, gaps by length and precision, order, cures."""

from functools import partial

from workflow_scripts.glasses import measurements as m
from workflow_scripts.glasses.claims_theory import CLOSE
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.shared.claims import (
    ANY_MODEL,
    MOST,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    Kind,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested

of_gemini = partial(Claim, decided_by=PAPER_MODEL, models=("Gemini 1.5",))
of_gemma = partial(Claim, decided_by=PAPER_MODEL, models=("Gemma 7B",))
of_protocol = partial(Claim, decided_by=PROTOCOL)
extension = partial(Claim, decided_by=THEORY, kind=Kind.EXTENSION)
ABOVE_ONE = Region(low=1.0 + 1.0e-9)


def claims(numbers: Numbers, protocols: m.Protocols, asked: m.Asked) -> list[Claim]:
    """The claims, with the published numbers and what this run followed of the paper."""
    copying, counting, order, gaps = (partial(m.as_asked, each) for each in asked)
    return [
        of_gemini(
            id="G9a",
            statement="The first element is copied better than the last.",
            source="section 3.1, figure 2a",
            quantity="accuracy on the first minus accuracy on the last",
            region=POSITIVE,
            test=partial(copying, partial(m.in_models, "E1a", "first_over_last", "equal lengths")),
            published=numbers.gain("2a", "first element of 01...1"),
        ),
        of_gemini(
            id="G9b",
            statement="Errors on the last element begin at about 300 elements.",
            source="section 3.1, figure 2a",
            quantity="accuracy on the last below 300 elements minus accuracy from 300 on",
            region=MOST,
            test=partial(copying, partial(m.in_models, "E1a", "last_drop", "edge sequences")),
            published=Published(
                1.0, "digitised", "figure 2a: right at 100 to 250, wrong at 300 to 500"
            ),
        ),
        of_gemini(
            id="G9c",
            statement="A hint that the answer need not be 1 helps much.",
            source="section 3.1, figure 2b",
            quantity="accuracy on the last with the hint minus accuracy without",
            region=POSITIVE,
            test=partial(copying, partial(m.in_models, "E1b", "hint_gain", "equal lengths")),
            published=numbers.gain("2b", "last element of 1...10", "yes"),
        ),
        *(
            of_gemini(
                id=f"G9{letter}",
                statement=f"Interleaving zeros and ones helps ({pair} repeated, then one 0).",
                source="section 3.1, figure 2c",
                quantity="accuracy on the last, interleaved minus plain",
                region=POSITIVE,
                test=partial(copying, partial(m.in_models, "E1c", f"{name}_gain", "equal lengths")),
                published=numbers.gain(
                    "2c", f"last element of [{pair.replace(',', ';')}] repeated + 0"
                ),
            )
            for letter, name, pair in (("d", "zero_first", "0,1"), ("e", "one_first", "1,0"))
        ),
        *(
            of_model(
                id=f"G10{letter}",
                statement=f"{of_model.keywords['models'][0]}'s error of counting grows with "
                "length, whatever the prompting.",
                source=f"section 3.2, figure {figure}",
                quantity="smallest rank correlation of absolute error and length over tasks",
                region=POSITIVE,
                test=partial(counting, partial(m.error_trend, paper_only=letter == "c")),
                published=numbers.trend(of_model.keywords["models"][0]),
            )
            for letter, of_model, figure in (("a", of_gemini, "3"), ("c", of_gemma, "6"))
        ),
        of_gemini(
            id="G10b",
            statement="Answers pile up on round values, 100 above all, once lengths reach about "
            "100.",
            source="section 3.2, figure 4",
            quantity="share of answers that are 100, lengths from 100, without CoT",
            region=MOST,
            test=partial(
                counting,
                partial(
                    m.in_models,
                    "E2",
                    "hundred_share",
                    "sum, ones and word",
                    task="all",
                    prompting="plain",
                ),
            ),
            published=numbers.hundreds(),
        ),
        of_gemma(
            id="G11a",
            statement="The gap of repeated ones nears machine precision at about 50 (read as: in "
            "the lowest head).",
            source="section 4, figure 5a",
            quantity="ones from which the gap of the lowest head is at most 2^-7",
            region=Region(25.0, 100.0),
            test=partial(gaps, partial(m.gap_onset, "ci_low")),
            published=numbers.threshold(
                "Linf gap for counting all-ones prompt is near machine precision"
            ),
        ),
        of_gemma(
            id="G11d",
            statement="The mean gap over heads comes down to that line between 1,001 and 2,001 "
            "ones.",
            source="section 4, figure 5a",
            quantity="ones from which the mean gap over heads is at most 2^-7",
            region=Region(1002.0, 2001.0),
            test=partial(gaps, partial(m.gap_onset, "value")),
            published=numbers.threshold(
                "first tested length at which the mean gap over heads for repeated ones comes down "
                "to that line"
            ),
        ),
        of_gemma(
            id="G11b",
            statement="With random digits it nears machine precision later.",
            source="section 4, figure 5b",
            quantity="log10 of the gap of random digits over that of ones, mean over lengths",
            region=POSITIVE,
            test=partial(gaps, partial(m.gap_ratio, "count_digits", "count_ones")),
            published=numbers.ratio("count_digits", "count_ones"),
        ),
        extension(
            id="G11c",
            statement="At lower precision collapse comes earlier.",
            source="section 4, argued",
            quantity="log10 of the collapse length in float16 over that in bfloat16",
            region=POSITIVE,
            test=m.by_precision,
        ),
        of_gemma(
            id="G12",
            statement="A comma after every third digit keeps representations apart.",
            source="section 4, figure 5d",
            quantity="log10 of the gap with commas over that without, mean over lengths",
            region=POSITIVE,
            test=partial(gaps, partial(m.gap_ratio, "copy_separated", "copy_ones")),
            published=numbers.ratio("copy_separated", "copy_ones"),
        ),
        of_protocol(
            id="G13a",
            statement="Representations approach each other with every position encoding, in one "
            "random layer.",
            source="figure 10",
            quantity="limit a of a + b n^-c fitted to the L1 gap, float64",
            region=CLOSE,
            test=partial(m.limit, "E8", "attention", "l1", list(m.ENCODINGS), protocols.figure_10),
        ),
        of_protocol(
            id="G13b",
            statement="They collapse at similar lengths with all four encodings (taken as: within "
            "a factor of two).",
            source="figure 10",
            quantity="earliest length at which the gap is below 2^-7 over the latest",
            region=Region(low=0.5),
            test=partial(m.crossings, protocols.figure_10),
            published=numbers.line_ratio(),
        ),
        extension(
            id="G13c",
            statement="So they do in a whole layer with projections and residual path (taken as: "
            "within a factor of ten).",
            source="section 4, theorem 4.2",
            quantity="earliest collapse length over the latest, bfloat16",
            region=Region(low=0.1),
            test=m.together,
        ),
        of_gemini(
            id="G14a",
            statement="The order of the prompt changes accuracy: answer form first is better.",
            source="appendix C.5, figure 11",
            quantity="accuracy with the answer form first minus accuracy with the question first",
            region=POSITIVE,
            test=partial(order, partial(m.in_models, "E5", "type2_gain", "equal lengths")),
            published=Published(
                round(
                    numbers.accuracy("11", "last digit; wording type 2")
                    - numbers.accuracy("11", "last digit; wording type 1"),
                    3,
                ),
                "digitised",
                "figure 11, fifteen lengths",
            ),
        ),
        of_gemini(
            id="G14b",
            statement="Both orders fail in the end.",
            source="appendix C.5, figure 11",
            quantity="accuracy at lengths from 0.8 of the longest on",
            region=Region(high=0.5),
            test=partial(
                order,
                partial(
                    m.in_models, "E5", "accuracy_longest", "edge sequences", task=["type1", "type2"]
                ),
            ),
            published=Published(
                numbers.accuracy("11", "last digit; wording type 2", least=1200),
                "digitised",
                "figure 11, 1,200 to 1,500",
            ),
        ),
        *(
            extension(
                id=f"G15{letter}",
                statement=f"A sliding window keeps representations apart ({name}).",
                source="section 4, argued",
                quantity="share of random layers whose gap at the longest length is above 2^-7, "
                "float64",
                region=MOST,
                test=partial(m.window, family),
            )
            for letter, family, name in (
                ("a", "ones", "repeated ones, the paper's sequences"),
                ("b", "digits", "random digits"),
            )
        ),
        *(
            extension(
                id=f"G16{letter}",
                statement="Paths at the front and recency at the end form a U: the last token is "
                f"more sensitive to both ends than to the middle ({name}).",
                source="section 5, argued",
                quantity="smaller end over the middle third, with recency, deepest stack",
                region=ABOVE_ONE,
                test=partial(m.u_shape, kind),
                published=published,
            )
            for letter, kind, name, published in (
                ("a", "varying", "measured Jacobian", None),
                (
                    "c",
                    "bound",
                    "bound of theorem 5.1",
                    Published("U-shape", "published-2nd", "secondary notes"),
                ),
            )
        ),
        Claim(
            id="G16b",
            kind=Kind.EXTENSION,
            statement="That U accounts for retrieval that depends on the position in the prompt.",
            source="section 5, argued",
            quantity="accuracy at the ends minus accuracy in the middle",
            region=POSITIVE,
            decided_by=ANY_MODEL,
            test=partial(untested, "no prompt asks for an item by its position"),
        ),
    ]
