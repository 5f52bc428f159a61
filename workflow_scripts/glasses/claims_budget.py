"""What the precision budget says of language models: of our instrument, no paper's."""

from functools import partial

from workflow_scripts.glasses import measurements_budget
from workflow_scripts.shared.claims import ANY_MODEL, MOST, NONE, Claim, Kind


def claims() -> list[Claim]:
    """G17a and G17b, for every model under `studies.glasses`."""
    ours = partial(Claim, decided_by=ANY_MODEL, kind=Kind.OURS, source="docs/precision_budget.md")
    return [
        ours(
            id="G17a",
            statement="No count or copy is lost where its margin exceeds all that rounding can "
            "change, to first order.",
            quantity="replies lost in a format although their margin is safe",
            region=NONE,
            test=measurements_budget.safe_lost,
        ),
        ours(
            id="G17b",
            statement="The length at which a format loses a count or a copy lies where the margin "
            "in float32 and units in the last place predict it.",
            quantity="share of tasks and formats whose length lies in the predicted 95 % interval",
            region=MOST,
            test=measurements_budget.as_predicted,
        ),
    ]
