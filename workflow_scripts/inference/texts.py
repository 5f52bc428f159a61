"""Stop strings of the rows in flight."""

import json
from collections.abc import Sequence

import numpy as np

from workflow_scripts.inference.sampling import stop_table


class Stops:
    """Which rows may just have completed a stop string, and where their text ends if so.

    Decoding every row's text after every token would cost more than the model; a table per set of
    stop strings says which tokens can complete one at all.
    """

    def __init__(self, token_texts: Sequence[str]):
        self.token_texts = token_texts
        self.sets: list[list[str]] = [[]]
        self.known: dict[str, int] = {"[]": 0}
        self.tables = np.zeros((1, len(token_texts)), bool)
        self.of_row = np.zeros(0, np.int64)

    def add(self, rows: Sequence[str]) -> None:
        """Rows join, each with its stop strings as JSON."""
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
        """Rows `movers` take the places `holes`; the first `left` rows stay."""
        self.of_row[list(holes)] = self.of_row[list(movers)]
        self.of_row = self.of_row[:left].copy()

    def possible(self, who: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Which of the rows `who` may have completed a stop string with their new token."""
        return self.tables[self.of_row[who], tokens]

    def cut(self, row: int, text: str) -> str | None:
        """The text before the first stop string, or None where there is none."""
        found = [at for stop in self.sets[self.of_row[row]] if (at := text.find(stop)) >= 0]
        return text[: min(found)] if found else None
