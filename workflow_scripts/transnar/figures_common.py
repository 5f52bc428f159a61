"""Data and look that the study's figures share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from workflow_scripts.shared.figures import COLOURS as C
from workflow_scripts.shared.figures import Models
from workflow_scripts.transnar.arm_names import PRETRAINED, models_of, named
from workflow_scripts.transnar.measurements import WHOLE, pick

SMALL = "small decoders"  # note of a figure
TOP = 1.05  # upper end of a score's axis


class Look(NamedTuple):
    """How an arm is drawn."""

    colour: str
    marker: str
    label: str
    line: Any = "-"
    hatch: str | None = None  # of a bar


LOOK = {
    "text": Look(C["black"], "o", "text alone"),
    "hybrid": Look(C["blue"], "s", "with the reasoner"),
    "untrained": Look(C["orange"], "^", "with an untrained reasoner"),
    "nodes": Look(C["sky"], "v", "with its nodes only"),
    "edges": Look(C["purple"], "P", "with its edges only"),
    "text_adaptive": Look(C["grey"], "x", "text, adaptive in training"),
    "hybrid_adaptive": Look(C["green"], "X", "reasoner, adaptive in training"),
    "reasoner": Look(C["vermilion"], "*", "the reasoner alone"),
}
# These have the colours of the arms from which they differ in one setting.
VARIANTS = {
    "hybrid_sum": Look(C["blue"], "<", "reasoner, merged by a sum", (0, (4, 1))),
    "hybrid_mlp": Look(C["blue"], ">", "reasoner, merged by an MLP", (0, (1, 1))),
    "hybrid_gram_schmidt": Look(C["blue"], "8", "reasoner, Gram-Schmidt merge", (0, (4, 1, 1, 1))),
    "hybrid_plain_positions": Look(C["blue"], "p", "reasoner, plain positions", (0, (6, 3))),
    "text_plain_positions": Look(C["black"], "h", "text, plain positions", (0, (6, 3))),
}


# Pretrained decoders have the colours of those with random weights; models differ in these.
HATCHES = ("////", "....", "xxxx", "++++")
LINES = ((0, (4, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 3)))
MARKERS = {"text": "D", "hybrid": "d"}


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """How arms are drawn, in the order of `LOOK`; those of pretrained models come last."""
    names = list(arms)
    found = {name: look for name, look in (LOOK | VARIANTS).items() if name in names}
    for number, model in enumerate(models_of(names)):
        place = number % len(HATCHES)
        for kind in PRETRAINED:
            own = LOOK[kind]._replace(
                marker=MARKERS[kind],
                label=f"{model}: {LOOK[kind].label}",
                line=LINES[place],
                hatch=HATCHES[place],
            )
            found[named(kind, model)] = own
    return {name: look for name, look in found.items() if name in names}


@dataclass(frozen=True)
class Data:
    """Scores, learning curves by arm, the sizes in nodes by role, and what CLRS-Text shows.

    `clrs_text` has published accuracies by algorithm, model and size; `models` are the run's.
    """

    scores: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    sizes: dict[str, int]
    clrs_text: pd.DataFrame
    models: Models

    @property
    def arms(self) -> list[str]:
        """The names of all arms with scores."""
        return [str(name) for name in self.scores["arm"].dropna().unique()]

    def whole(self, **wanted: Any) -> pd.DataFrame:
        """Pooled scores of decoders, means over all algorithms."""
        return pick(self.scores, experiment="E1", **WHOLE, **wanted)
