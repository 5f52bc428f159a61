"""Exhaustive search for the smallest asynchronous run that differs from the synchronous one.

For each freedom every schedule on every small graph is run from every assignment of states,
smallest first: to the last bit in float32, and up to rounding in float64.
"""

import copy
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.cocycles import certificate_subjects, freedoms
from workflow_scripts.cocycles.freedoms import LEVELS, Layer, Schedule
from workflow_scripts.shared import seeds

# A relative difference in float64 that rounding does not explain. One in structure is the same in
# any precision; float64 rounds at 1e-16.
ROUNDING = 1.0e-9
ARITHMETICS = {"bits": (torch.float32, 0.0), "rounding": (torch.float64, ROUNDING)}
CHUNK = 1 << 16  # assignments of states at once


@dataclass(frozen=True)
class Domain:
    """The graphs and states that are searched.

    `palette`, shape (P, W), are the states of a node, simplest first; `whole` says whether they are
    all vectors with the entries `values`.
    """

    nodes: int
    values: tuple[float, ...]
    palette: Tensor
    whole: bool

    @property
    def shows_known_levels(self) -> bool:
        """Whether the domain is large enough to find the level of every known layer.

        Three messages and both signs are needed: with entries 0 and 1 alone the log-bilinear layer
        keeps level 3.
        """
        return self.whole and self.nodes >= 3 and {-1.0, 0.0, 1.0} <= set(self.values)

    def assignments(self, nodes: int) -> Tensor:
        """Every assignment of states to nodes, (P^nodes, nodes, W), simplest first.

        Simplest: fewest entries that are not 0, then the smallest sum of magnitudes.
        """
        places = np.array(list(product(range(len(self.palette)), repeat=nodes)))
        found = self.palette[torch.from_numpy(places)]
        entries = found.flatten(1)
        order = np.lexsort((entries.abs().sum(1).numpy(), (entries != 0).sum(1).numpy()))
        return found[torch.from_numpy(order)]


@dataclass(frozen=True)
class Counterexample:
    """The smallest case in which the runs differ, at `node`: row `row` of `batch` (B, N, W)."""

    schedule: Schedule
    batch: Tensor
    row: int
    node: int
    gap: float  # largest difference, relative to the synchronous state where that exceeds 1

    @property
    def states(self) -> Tensor:
        """The initial states of the nodes, (N, W)."""
        return self.batch[self.row]


@dataclass(frozen=True)
class Outcome:
    """What the search for one freedom in one arithmetic found.

    `cases` counts the runs that were compared: all of the domain, or those up to and including the
    size of the counterexample. `undefined` says why the module does not have the freedom.
    """

    cases: int
    counterexample: Counterexample | None = None
    undefined: str = ""

    @property
    def kept(self) -> bool:
        """Whether the freedom changed nothing in the domain."""
        return self.counterexample is None and not self.undefined


Outcomes = dict[str, Outcome]  # by freedom


def domain(width: int, settings: dict[str, Any], seed: int) -> Domain:
    """The domain for states of a width: all vectors of the values, or as many as `states` allows.

    Where there are more, the zero vector and others drawn from them without replacement.
    """
    values, most = tuple(map(float, settings["values"])), settings["states"]
    if len(values) ** width <= most:
        chosen = np.array(list(product(values, repeat=width)))
    else:
        rng = seeds.generator(seed, "cocycles", "certificate", "states", width)
        drawn = {(0.0,) * width: None}
        while len(drawn) < most:
            drawn[tuple(rng.choice(values, width).tolist())] = None
        chosen = np.array(list(drawn))
    order = np.lexsort((*chosen.T[::-1], np.abs(chosen).sum(1), (chosen != 0).sum(1)))
    whole = len(values) ** width <= most
    return Domain(settings["nodes"], values, torch.from_numpy(chosen[order]), whole)


def gaps(found: Tensor, expected: Tensor) -> Tensor:
    """Largest difference of each case, (B,), of states (B, W); 0 where they are equal numbers.

    -0 equals 0, and NaN equals NaN. The difference is relative where |expected| exceeds 1.
    """
    same = (found == expected) | (found.isnan() & expected.isnan())
    gap = (found - expected).abs() / expected.abs().clamp_min(1.0)
    return gap.nan_to_num(torch.inf, torch.inf).masked_fill(same, 0.0).amax(-1)


@torch.inference_mode()
def search(layer: Layer, freedom: str, where: Domain, arithmetic: str) -> Outcome:
    """Look for the smallest counterexample to one freedom.

    Schedules are ordered by nodes, edges and batches. Among those of one size the states decide:
    fewest entries that are not 0, then the smallest sum of magnitudes.
    """
    dtype, slack = ARITHMETICS[arithmetic]
    states = {n: where.assignments(n).to(dtype) for n in range(1, where.nodes + 1)}
    cases = 0
    for _, same_size in groupby(
        freedoms.schedules(freedom, where.nodes), key=lambda each: each.size
    ):
        found: list[tuple[int, Counterexample]] = []
        for edges, own in groupby(same_size, key=lambda each: each.edges):
            schedules = list(own)
            every = states[schedules[0].nodes]
            for start in range(0, len(every), CHUNK):
                runs = freedoms.Runs(layer, edges, every[start : start + CHUNK])
                for schedule in schedules:
                    cases += len(runs.first.states)
                    for node in freedoms.affected(schedule):
                        gap = gaps(*runs.pair(schedule, node))
                        if (hits := (gap > slack).nonzero()[:, 0]).numel():
                            hit = int(hits[0])
                            example = Counterexample(
                                schedule, runs.first.states, hit, node, float(gap[hit])
                            )
                            found.append((start + hit, example))
        if found:
            return Outcome(cases, min(found, key=lambda each: each[0])[1])
    return Outcome(cases)


def certify(name: str, module: torch.nn.Module, where: Domain) -> dict[str, Outcomes]:
    """Outcomes of the module `name` by arithmetic and freedom; it is copied for each precision.

    What is equal to the last bit is equal up to rounding, and not searched again. Raises
    `certificate_subjects.SubjectError` for a module that does not fit the interface.
    """
    found: dict[str, Outcomes] = {}
    for arithmetic, (dtype, _) in ARITHMETICS.items():
        layer: Any = copy.deepcopy(module).eval().to(dtype)
        states, messages = certificate_subjects.widths(name, layer, where.palette.to(dtype))
        outcomes = found[arithmetic] = dict(found.get("bits", {}))
        for freedom in LEVELS:
            if freedom in outcomes and outcomes[freedom].kept:
                continue
            if freedom == "increments" and states != messages:
                reason = f"messages have width {messages}, states {states}"
                outcomes[freedom] = Outcome(0, undefined=reason)
            else:
                outcomes[freedom] = search(layer, freedom, where, arithmetic)
    return found


def level(outcomes: Outcomes) -> int:
    """The highest level of which, and of all below, no freedom changed anything."""
    for step in (1, 2, 3):
        if not all(outcomes[name].kept for name, own in LEVELS.items() if own == step):
            return step - 1
    return 3
