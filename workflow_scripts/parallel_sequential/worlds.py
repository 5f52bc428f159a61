"""Simulated answerers whose gap has a known cause, to test `attribution` with.

A question has a skill (the chance of a right answer) and its own frequencies of wrong answers. With
earlier answers in view an answerer copies the previous one with probability `copies`, and its fresh
attempts have their skill lowered by the share `loss`. The true share of repeats in the gap is that
of an answerer that copies as often and loses no skill.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from workflow_scripts.parallel_sequential import attribution
from workflow_scripts.parallel_sequential.metrics import MAJORITY, Sets

WRONG = 6  # wrong answers per question
SKILL = (2.5, 2.0)  # of a Beta distribution: questions from hard to easy, 56 % right on average
LARGE = 4000  # questions from which the true share is computed


@dataclass(frozen=True)
class World:
    """An answerer: its chance of copying the previous answer, and its loss of skill."""

    copies: float
    loss: float

    def sets(
        self, questions: int, chains: int, attempts: int, rng: np.random.Generator
    ) -> tuple[Sets, Sets]:
        """Parallel and sequential sets of attempts, of shape (questions, chains, attempts)."""
        skill = rng.beta(*SKILL, questions)[:, None, None]
        bounds = rng.dirichlet(np.full(WRONG, 0.6), questions).cumsum(1)[:, None, None, :-1]

        def fresh(shape: tuple[int, int, int], chance: np.ndarray) -> np.ndarray:
            wrong = 1 + (rng.random((*shape, 1)) > bounds).sum(-1)
            return np.where(rng.random(shape) < chance, 0, wrong)  # 0 is the right answer

        parallel = fresh((questions, chains, attempts), skill)
        sequential = fresh((questions, chains, 1), skill)
        for _ in range(1, attempts):
            own = fresh((questions, chains, 1), skill * (1 - self.loss))
            copied = rng.random(own.shape) < self.copies
            own = np.where(copied, sequential[..., -1:], own)
            sequential = np.concatenate([sequential, own], axis=-1)
        return _sets(parallel, True), _sets(sequential, False)


WORLDS = {
    "copying": World(copies=0.7, loss=0.0),
    "degradation": World(copies=0.0, loss=0.3),
    "both": World(copies=0.4, loss=0.2),
}


def _sets(answers: np.ndarray, exchangeable: bool) -> Sets:
    """Sets from answers (Q, C, N), of which 0 is right; fields that are not simulated are 0."""
    zeros = np.zeros(answers.shape)
    names = [str(question) for question in range(len(answers))]
    right = (answers == 0).astype(float)
    written = answers.astype(str).astype(object)
    return Sets(names, written, right, zeros, zeros, zeros, zeros, exchangeable)


@cache
def true_share(world: World, attempts: int) -> float:
    """The share of the majority gap that the answerer's repeats cause, from a large simulation."""
    only_copies = replace(world, loss=0.0)
    if not world.copies or only_copies == world:
        return float(world.copies > 0)
    gaps = []
    for who in (only_copies, world):
        pair = who.sets(LARGE, 2, attempts, np.random.default_rng(1))
        parallel, sequential = (attribution.accuracy(each, MAJORITY).mean() for each in pair)
        gaps.append(float(parallel - sequential))
    return gaps[0] / gaps[1]
