"""A row of panels for arms trained with another merge, or with plain positions."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workflow_scripts.shared.figures import COLOURS, margins

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Colours are those of the arms that they differ from in one thing.
LOOK = {
    "hybrid_sum": ("blue", "<", "reasoner, merged by a sum"),
    "hybrid_mlp": ("blue", ">", "reasoner, merged by an MLP"),
    "hybrid_gram_schmidt": ("blue", "d", "reasoner, merged by Gram-Schmidt"),
    "hybrid_plain_positions": ("blue", "p", "reasoner, plain positions"),
    "text_plain_positions": ("black", "h", "text, plain positions"),
}
BASES = {"hybrid": ("blue", "s", "reasoner"), "text": ("black", "o", "text alone")}
DASHES = {
    "hybrid_sum": (0, (4, 1)),
    "hybrid_mlp": (0, (1, 1)),
    "hybrid_gram_schmidt": (0, (4, 1, 1, 1)),
    "hybrid_plain_positions": (0, (6, 3)),
    "text_plain_positions": (0, (6, 3)),
}
Rows = Callable[[str], "pd.DataFrame"]  # role -> pooled CLRS scores of free answers, plain reading


def draw(row: Sequence["Axes"], sizes: dict[str, int], rows: Rows) -> None:
    """One panel a size: CLRS score of free answers of such arms and of their counterparts."""
    look = {"hybrid": BASES["hybrid"], **LOOK, "text": BASES["text"]}
    known = set(rows("trained")["arm"])
    names = [name for name in look if name in known]
    for place, (role, size) in zip(row, sizes.items(), strict=True):
        found = rows(role).set_index("arm")
        for height, name in enumerate(names):
            own = found.loc[[name]]
            colour, marker, _ = look[name]
            place.errorbar(
                own["value"],
                [height],
                xerr=margins(own),
                linestyle="none",
                marker=marker,
                color=COLOURS[colour],
            )
        place.set_title(f"{size} nodes ({role})")
        place.set_xlabel("CLRS score")
        place.set_xlim(-0.02, 1.06)
        place.set_yticks(range(len(names)), [look[name][2] for name in names])
        place.set_ylim(len(names) - 0.5, -0.5)
        place.tick_params(labelleft=place is row[0])
