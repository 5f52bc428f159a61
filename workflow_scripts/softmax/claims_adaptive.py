"""What adaptive temperature does in language models at inference: of our instrument, no paper's."""

from functools import partial

from workflow_scripts.shared.claims import ANY_MODEL, NEGATIVE, POSITIVE, Claim, Kind
from workflow_scripts.softmax import measurements_adaptive


def adaptive() -> list[Claim]:
    """S12 to S14, for every model under `studies.softmax`, by task."""
    ours = partial(Claim, decided_by=ANY_MODEL, kind=Kind.OURS, source="docs/adaptive.md")
    return [
        ours(
            id="S12",
            statement="In a language model, attention to the content of a list disperses as the "
            "list grows.",
            quantity="log-log slope of the largest content weight against keys",
            region=NEGATIVE,
            test=measurements_adaptive.dispersion,
        ),
        ours(
            id="S13",
            statement="The published adaptive temperature, in all heads of a language model at "
            "inference, improves retrieval from its longest lists.",
            quantity="gain in accuracy over plain softmax",
            region=POSITIVE,
            test=partial(measurements_adaptive.gain, "accuracy", "published"),
        ),
        ours(
            id="S14",
            statement="A temperature per head, fitted to the model on shorter lists, improves "
            "retrieval from its longest lists.",
            quantity="gain in the log-likelihood of the right letter over plain softmax, nats",
            region=POSITIVE,
            test=partial(measurements_adaptive.gain, "log_likelihood", "per_head"),
        ),
    ]
