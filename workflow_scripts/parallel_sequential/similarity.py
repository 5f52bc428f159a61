"""Similarity of the whole solutions of a set of attempts.

A lexical measure, and a text-embedding model where one is configured.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.models import tokenizer_files
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, SIMILARITY
from workflow_scripts.shared import devices, job, progress, tables

ARMS = ("parallel", "sequential", "improve", "different", "new_idea")
BINS = np.linspace(0.0, 1.0, 21)
Vectors = Callable[[Sequence[str]], np.ndarray]


def lexical(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors (texts, features): TF-IDF of character n-grams, n = 3 to 5 (scikit-learn)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Character n-grams suit sums as well as prose and programs.
    vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), max_features=4096)
    return vectoriser.fit_transform([text or " " * 3 for text in texts]).toarray()


class Embedder:
    """A text-embedding model in transformers, which gives vectors of length 1.

    `pooling` is the last token's state (Qwen3-Embedding) or the mean (most BERT-like models).
    """

    def __init__(self, settings: dict[str, Any]):
        import torch
        from transformers import AutoModel

        at = {"revision": settings["revision"]} if "revision" in settings else {}
        self.tokenizer = tokenizer_files.load(settings["source"], closed=True, **at)
        self.model: Any = AutoModel.from_pretrained(
            settings["source"], dtype=torch.float32, trust_remote_code=False, **at
        )
        self.model.to(devices.for_tensors()).eval()
        self.pooling, self.most = settings["pooling"], settings["max_tokens"]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors (texts, width), computed one text at a time to avoid padding."""
        import torch

        rows = []
        with torch.inference_mode():
            for text in progress.track(texts, description="embedding", unit="text"):
                ids = self.tokenizer(
                    text or " ", truncation=True, max_length=self.most, return_tensors="pt"
                )
                states = self.model(**ids.to(self.model.device)).last_hidden_state[0].float()
                pooled = states[-1] if self.pooling == "last" else states.mean(0)
                rows.append((pooled / pooled.norm()).cpu().numpy())
        return np.stack(rows)


def compare(frame: pd.DataFrame, vectors: np.ndarray) -> Iterator[dict[str, Any]]:
    """Rows of the table for one arm of one model and domain.

    `vectors`, shape (attempts, width), have length 1 or 0.
    """
    total = vectors.sum(0)
    places = pd.Series(range(len(frame)), index=frame.index)
    sums = {
        str(question): vectors[places[rows.index]].sum(0)
        for question, rows in frame.groupby("question")
    }
    counts = frame["question"].value_counts()
    pairs = []
    for (question, chain), rows in frame.groupby(["question", "chain"]):
        own = vectors[places[rows.index]]
        if len(own) < 2:
            continue
        cosines = (own @ own.T)[np.triu_indices(len(own), 1)]
        pairs.append(cosines)
        base = {"question": question, "chain": chain, "bin": None}
        yield base | {"metric": "within", "value": float(cosines.mean())}
        others = len(frame) - int(counts[str(question)])
        if others:
            rest = (total - sums[str(question)]) / others
            yield base | {"metric": "between", "value": float((own @ rest).mean())}
    if pairs:
        found = np.clip(np.concatenate(pairs), 0, 1)
        shares = np.histogram(found, BINS)[0] / found.size
        for edge, share in zip(BINS[:-1], shares, strict=True):
            base = {"question": "", "chain": 0, "bin": float(edge)}
            yield base | {"metric": "share", "value": float(share)}


def measure(attempts: pd.DataFrame, measures: dict[str, Vectors]) -> Iterator[dict[str, Any]]:
    """Rows of the table for all models, domains and arms of `attempts`."""
    key: Any
    used = attempts[attempts["accepted"] & attempts["arm"].isin(ARMS)].reset_index(drop=True)
    for key, rows in used.groupby(["model", "domain"]):
        rows = rows.reset_index(drop=True)
        for name, vectors in measures.items():
            found = vectors(list(rows["text"]))
            for arm, own in rows.groupby("arm"):
                for made in compare(own.reset_index(drop=True), found[own.index]):
                    yield made | {"model": key[0], "domain": key[1], "arm": arm, "measure": name}


def main(
    table: str | Path,
    attempts: Sequence[str | Path],
    embedder: dict[str, Any] | None,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Compare the solutions of all models and write the table of similarities.

    `embedder` holds the settings of a text-embedding model, or is None.
    """
    measures: dict[str, Vectors] = {"lexical": lexical}
    if embedder:
        measures["embedding"] = Embedder(embedder)
    frame = pd.concat([tables.read(path, ATTEMPTS) for path in attempts], ignore_index=True)
    tables.write(pd.DataFrame(measure(frame, measures)), table, SIMILARITY, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
