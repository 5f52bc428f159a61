"""The paper's numbers, from the tables under `resources/published`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from workflow_scripts.glasses.metrics import BFLOAT16_LINE, crossings
from workflow_scripts.shared.claims import Published

ABOVE_AXIS = 200.0  # an error above the axis of figures 3 and 6 counts as its upper end
FROM_DIGITS = 50  # lengths of figure 5 over which gaps are compared
PANELS = {"count_ones": "5a", "count_digits": "5b", "copy_ones": "5c", "copy_separated": "5d"}


@dataclass(frozen=True)
class Numbers:
    """Published findings, and what the digitised figures give."""

    thresholds: pd.DataFrame
    copies: pd.DataFrame
    errors: pd.DataFrame
    gaps: pd.DataFrame

    @classmethod
    def read(cls, thresholds: str, copies: str, errors: str, gaps: str) -> "Numbers":
        """From the four CSV files."""
        return cls(
            pd.read_csv(thresholds, dtype=str).set_index("finding"),
            pd.read_csv(copies, dtype={"figure": str}),
            pd.read_csv(errors),
            pd.read_csv(gaps, dtype={"figure": str}),
        )

    def threshold(self, finding: str) -> Published:
        """A finding of the table of thresholds."""
        row = self.thresholds.loc[finding]
        value = str(row["value"])
        number = value if "-" in value else float(value)
        return Published(number, str(row["confidence"]), str(row["source"]))

    def curve(self, figure: str, series: str = "") -> pd.DataFrame:
        """Points (`length`, `mean`) of a figure of gaps, of the series that contain `series`."""
        rows = self.gaps[self.gaps["figure"] == figure]
        return rows[rows["series"].str.contains(series, regex=False)].dropna(subset=["mean"])

    def lengths(self, figure: str) -> list[int]:
        """The lengths of a figure of gaps."""
        return sorted({int(n) for n in self.gaps.loc[self.gaps["figure"] == figure, "length"]})

    def copied(self, figure: str) -> list[int]:
        """The lengths of figure 2 (a panel) or 11."""
        return sorted({int(n) for n in self.copies.loc[self.copies["figure"] == figure, "length"]})

    def counted(self) -> list[int]:
        """The lengths of figures 3 and 6."""
        return sorted({int(n) for n in self.errors["length"]})

    def accuracy(self, figure: str, task: str, hint: str = "no", least: int = 0) -> float:
        """Share of right answers in a panel of figures 2 and 11, from a length on."""
        rows = self.copies[(self.copies["figure"] == figure) & (self.copies["task"] == task)]
        rows = rows[(rows["hint"] == hint) & (rows["length"] >= least)]
        return float(rows["correct"].mean())

    @cached_property
    def last(self) -> float:
        """Share of lengths at which the last element of 1...10 is copied."""
        return self.accuracy("2a", "last element of 1...10")

    def gain(self, figure: str, task: str, hint: str = "no") -> Published:
        """Accuracy of a panel of figure 2 less that on the last element of 1...10."""
        found = self.accuracy(figure, task, hint) - self.last
        return Published(round(found, 3), "digitised", f"figure {figure}, nine lengths")

    def trend(self, model: str) -> Published:
        """The smallest rank correlation of error and length over tasks and promptings."""
        rows = self.errors[self.errors["model"] == model]
        filled = rows.assign(absolute_error=rows["absolute_error"].fillna(ABOVE_AXIS))
        each = [
            own["length"].corr(own["absolute_error"], method="spearman")
            for _, own in filled.groupby(["task", "prompting"])
        ]
        figure = {"Gemini 1.5": "3", "Gemma 7B": "6"}[model]
        return Published(
            round(float(min(each)), 2),
            "derived",
            f"figure {figure}, digitised; smallest of {len(each)}",
        )

    def hundreds(self) -> Published:
        """Share of answers that are 100 where the right one is 105 to 195, without CoT."""
        rows = self.errors[self.errors["model"] == "Gemini 1.5"]
        rows = rows[(rows["prompting"] == "no_cot") & (rows["task"] != "count_mixed")]
        rows = rows[rows["length"] > 100]
        # An answer of 101 reads as 100 within the width of a mark.
        hits = (rows["length"] - 100 - rows["absolute_error"]).abs() <= 1
        return Published(float(hits.mean()), "derived", "figures 3 and 4, digitised")

    def ratio(self, over: str, under: str) -> Published:
        """Mean log10 of one panel's gap in figure 5 over another's, lengths from 51 on."""
        each = [
            self.gaps[self.gaps["figure"] == PANELS[panel]].set_index("length")["mean"]
            for panel in (over, under)
        ]
        ratios = each[0] / each[1]
        value = float(np.log10(ratios[ratios.index >= FROM_DIGITS]).mean())
        told = f"figures {PANELS[over]} and {PANELS[under]}, digitised"
        return Published(round(value, 2), "derived", told)

    def line_ratio(self) -> Published:
        """Earliest length at which a curve of figure 10 passes the line over the latest."""
        found = []
        for _, own in self.gaps[self.gaps["figure"] == "10"].groupby("series"):
            known = own.dropna(subset=["mean"]).sort_values("length")
            values = known["mean"].to_numpy(float)[None]
            found.append(crossings(known["length"].tolist(), values, BFLOAT16_LINE)[0])
        value = round(float(min(found) / max(found)), 2)
        return Published(value, "derived", "figure 10, digitised")
