"""Stop strings of the rows in flight."""

import json
from collections.abc import Sequence

import numpy as np

from workflow_scripts.inference.sampling import stop_table


class Stops:
    """Which rows may have completed a stop string with their last token, and where the text ends.

    Decoding the text of every row after every token would cost more than the model. A table per set
    of stop strings lists the tokens that can complete one.
    """

    def __init__(self, token_texts: Sequence[str]):
        self.token_texts = token_texts
        self.sets: list[list[str]] = [[]]
        self.known: dict[str, int] = {"[]": 0}
        self.tables = np.zeros((1, len(token_texts)), bool)
        self.of_row = np.zeros(0, np.int64)

    def add(self, rows: Sequence[str]) -> None:
        """Add rows, each with its stop strings as JSON."""
        for text in rows:
            if text not in self.known:
                stops = json.loads(text)
                self.known[text] = len(self.sets)
                self.sets.append(stops)
                table = stop_table(self.token_texts, stops).numpy()
                self.tables = np.concatenate([self.tables, table[None]])
        joined = np.array([self.known[text] for text in rows], np.int64)
        self.of_row = np.concatenate([self.of_row, joined])

    def move(self, movers: Sequence[int], holes: Sequence[int], left: int) -> None:
        """Move rows `movers` to the places `holes`, then keep the first `left` rows."""
        self.of_row[list(holes)] = self.of_row[list(movers)]
        self.of_row = self.of_row[:left].copy()

    def possible(self, who: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Whether rows `who` may have completed a stop string with `tokens`, shape (n,) each."""
        return self.tables[self.of_row[who], tokens]

    def cut(self, row: int, text: str) -> str | None:
        """The text before the first stop string, or None if there is none."""
        found = [at for stop in self.sets[self.of_row[row]] if (at := text.find(stop)) >= 0]
        return text[: min(found)] if found else None
