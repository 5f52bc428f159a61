"""What edits of one token say of language models: of our instrument, no paper's."""

from functools import partial

from workflow_scripts.perplexity import measurements_blind
from workflow_scripts.shared.claims import (
    ANY_MODEL,
    MOST,
    NEGATIVE,
    NONE,
    POSITIVE,
    Claim,
    Kind,
)


def claims() -> list[Claim]:
    """C13a to C13e, for every model under `studies.perplexity`, by task."""
    ours = partial(Claim, decided_by=ANY_MODEL, kind=Kind.OURS, source="docs/blind_spots.md")
    return [
        ours(
            id="C13a",
            statement="Most prompts that a model answers rightly have a blind spot among their "
            "edits of one token: a wrong answer within the stated distance of log-perplexity.",
            quantity="share of rightly answered prompts with a blind spot",
            region=MOST,
            test=measurements_blind.blind,
        ),
        ours(
            id="C13b",
            statement="Blind spots of copies come closer as prompts grow.",
            quantity="log-log slope of the distance of wrong copies against the length",
            region=NEGATIVE,
            test=measurements_blind.slope,
        ),
        ours(
            id="C13c",
            statement="The least likely symbol of a copy tells wrong copies of edited strings from "
            "right ones better than the log-perplexity of the copy.",
            quantity="its area under the curve less that of log-perplexity",
            region=POSITIVE,
            test=measurements_blind.gain,
        ),
        ours(
            id="C13d",
            statement="Within the stated distance, edits that change the right answer are answered "
            "wrongly more often than edits that do not.",
            quantity="difference of the shares of wrong answers",
            region=POSITIVE,
            test=measurements_blind.excess,
        ),
        ours(
            id="C13e",
            statement="Edited copies that satisfy the premises of lemma 3.1 satisfy its corrected "
            "inequality.",
            quantity="edited copies that violate it",
            region=NONE,
            test=measurements_blind.broken,
        ),
    ]
