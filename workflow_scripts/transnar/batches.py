"""Batches of CLRS-Text with the frozen reasoner's embeddings of the same samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.clrs import store, trajectories
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.transnar.decoder import Graph, Shape, Text
from workflow_scripts.transnar.tokens import OWN, Words

IGNORED = -100  # target without loss


@dataclass(frozen=True)
class Pairs:
    """Samples of one algorithm and size: texts and trajectories of the same draws."""

    algorithm: str
    questions: list[str]
    answers: list[str]
    trajectories: Trajectories

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def nodes(self) -> int:
        """N, the nodes of every sample."""
        return self.trajectories.nodes


@dataclass(frozen=True)
class Batch:
    """B prompts with answers, T tokens each, and the structural labels of their nodes."""

    text: Text
    targets: Tensor  # (B, T): the next token, or `IGNORED`
    labels: Tensor  # (B, N)

    def to(self, device: str) -> "Batch":
        """The batch on a device; shapes stay the same."""
        return Batch(self.text.to(device), self.targets.to(device), self.labels.to(device))

    def rows(self, which: slice) -> "Batch":
        """Some of the rows, without the columns that are padding in all of them: (b, t)."""
        text = self.text.rows(which)
        return Batch(text, self.targets[which, -text.ids.shape[1] :], self.labels[which])


def passes(batch: Batch, most: int) -> list[slice]:
    """Slices of the rows of a batch (B, T), each of at most `most` tokens or of one row."""
    rows, width = batch.targets.shape
    each = max(1, most // width)
    return [slice(start, start + each) for start in range(0, rows, each)]


def read(path: str, algorithm: str, split: str) -> list[Pairs]:
    """Read all sizes of a split, in ascending order."""
    found = []
    for name, nodes in sorted(store.sets(path)):
        if name == split:
            held = trajectories.read(path, algorithm, split, nodes)
            questions, answers = (held.columns[key].tolist() for key in ("question", "answer"))
            found.append(Pairs(algorithm, questions, answers, held))
    return found


def read_all(paths: Sequence[str], algorithms: Sequence[str], split: str) -> list[Pairs]:
    """Read all sizes of a split, algorithm by algorithm; `paths` has one file per algorithm."""
    files = zip(paths, algorithms, strict=True)
    return [pairs for path, algorithm in files for pairs in read(path, algorithm, split)]


def draw_sorted(
    random: np.random.Generator, rows: int, count: int, below: int
) -> NDArray[np.int64]:
    """`count` distinct sorted integers below `below` for each row, shape (rows, count).

    Randomised positions (Ruoss et al. 2023). Raises `ValueError` if there are too few integers.
    """
    if count > below:
        raise ValueError(
            f"expected at most {below} positions, found {count}; raise position_range or labels"
        )
    keys = random.random((rows, below))
    return np.sort(np.argpartition(keys, count - 1, axis=1)[:, :count], axis=1)


def text(
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    nodes: int,
    random: np.random.Generator,
    shape: Shape,
    spare: int = 0,
    words: Words = OWN,
) -> tuple[Text, Tensor, Tensor]:
    """Prompts with answers, padded on the left; labels (B, N + 1); later positions (B, spare).

    Positions are drawn for each row, `spare` more than there are tokens; plain ones count from 0 at
    the row's first token. Labels of rows, columns and nodes are drawn, too: N distinct ones in
    ascending order, and one more for the place after the last node.
    """
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(map(len, rows))
    size = (len(rows), width)
    ids = np.full(size, words.pad)
    attended = np.zeros(size, np.int64)
    places, indices = np.zeros((*size, 2), np.int64), np.zeros((*size, 2), np.int64)
    for index, row in enumerate(rows):
        start, end = width - len(row), width - len(row) + len(prompts[index])
        ids[index, start:] = row
        attended[index, start:] = 1
        places[index, start:] = np.transpose(words.places(row))
        indices[index, start:end] = places[index, start:end] + 1
    drawn = draw_sorted(random, len(rows), width + spare, shape.position_range)
    if shape.plain_positions:  # after the draw, so that labels are the same as in the other arms
        starts = width - np.array([len(row) for row in rows])
        drawn = np.maximum(0, np.arange(width + spare) - starts[:, None])
    label = draw_sorted(random, len(rows), nodes + 1, shape.labels or nodes + 1)
    # An answer may continue past the last node: all further places then have the last label.
    at = np.minimum(places, nodes).reshape(len(rows), -1)
    labels = np.take_along_axis(label, at, 1).reshape(places.shape)
    arrays = (ids, drawn[:, :width], labels, np.minimum(indices, nodes + 1), attended)
    made = Text(*map(torch.from_numpy, arrays))
    return made, torch.from_numpy(label), torch.from_numpy(drawn[:, width:])


def training_batch(
    pairs: Pairs,
    indices: NDArray[np.int64],
    random: np.random.Generator,
    shape: Shape,
    words: Words = OWN,
) -> Batch:
    """Prompts with answers, of the samples at `indices`, shape (B,).

    Only tokens of the answer are targets, its end included.
    """
    questions = [words.prompt(pairs.questions[index]) for index in indices]
    answers = [words.answer(pairs.answers[index]) for index in indices]
    made, label, _ = text(questions, answers, pairs.nodes, random, shape, words=words)
    targets = torch.full_like(made.ids, IGNORED)
    for row, answer in enumerate(answers):
        targets[row, -len(answer) - 1 : -1] = torch.tensor(answer)
    return Batch(made, targets, label[:, :-1])


@torch.no_grad()
def graph(reasoner: Reasoner, pairs: Pairs, indices: NDArray[np.int64], labels: Tensor) -> Graph:
    """The reasoner's final embeddings of the samples at `indices`, each at its own last step.

    `indices` has shape (B,), `labels` (B, N). Embeddings of edges are the processor's messages if
    it has any, else the encoded features.
    """
    device = next(reasoner.parameters()).device
    batch = pairs.trajectories.batch(indices)
    width = reasoner.width
    size, nodes = len(indices), pairs.nodes
    hidden = torch.zeros(size, nodes, width, device=device)
    edges = torch.zeros(size, nodes, nodes, width, device=device)
    for latent in reasoner.latents(batch.to(device)):
        count = len(latent.nodes)
        hidden[:count] = latent.nodes[..., 2 * width :]
        edges[:count] = latent.edges.dense() if latent.messages is None else latent.messages
    back = torch.argsort(batch.order)
    return Graph(hidden[back], edges[back], labels)
