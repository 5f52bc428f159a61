"""What the study's figures are drawn from."""

from dataclasses import dataclass

import pandas as pd

from workflow_scripts.cocycles import published
from workflow_scripts.shared import tables
from workflow_scripts.shared.schemas import SCORES


@dataclass(frozen=True)
class Data:
    """The study's scores and the paper's figure 2, as read off."""

    scores: pd.DataFrame
    figure_2: pd.DataFrame

    @classmethod
    def read(cls, scores: str, figure_2: str) -> "Data":
        """From the paths of both."""
        return cls(tables.read(scores, SCORES), published.read(figure_2))
