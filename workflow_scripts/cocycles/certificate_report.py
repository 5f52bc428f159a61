"""The certificate in words: level, domain, and the trace of each smallest counterexample."""

import copy
from typing import Any

from torch import Tensor

from workflow_scripts.cocycles import freedoms
from workflow_scripts.cocycles.certificate_search import (
    ARITHMETICS,
    ROUNDING,
    Counterexample,
    Domain,
    Outcome,
    Outcomes,
    level,
)

WORDS = {
    "order": "messages in any order and grouping",
    "updates": "updates after parts of the messages",
    "duplicates": "a message twice",
    "resent": "whole states resent",
    "increments": "states sent in parts",
}
SHOWN = 8  # entries of a vector in a trace


def numbers(vector: Tensor) -> str:
    """A vector (W,) with the digits that tell floats apart."""
    digits = 9 if str(vector.dtype).endswith("32") else 17
    shown = [f"{value:.{digits}g}" for value in vector.tolist()[:SHOWN]]
    return f"({', '.join(shown)}{', …' if len(vector) > SHOWN else ''})"


def domain_text(where: Domain) -> str:
    """What was searched, and no more."""
    entries = ", ".join(f"{value:g}" for value in where.values)
    count, width = where.palette.shape
    states = (
        f"all {count} states of width {width} with entries {entries}"
        if where.whole
        else f"{count} states of width {width}, drawn from those with entries {entries}"
    )
    graphs = sum(len(freedoms.graphs(nodes)) for nodes in range(1, where.nodes + 1))
    return (
        f"every directed graph on at most {where.nodes} nodes, loops included ({graphs} up to the "
        f"names of nodes), every assignment of {states}, and every schedule in which one node "
        "takes its messages in batches, in one step (levels 1 and 2) or the first of two (level 3)"
    )


def page(name: str, module: Any, where: Domain, found: dict[str, Outcomes]) -> str:
    """The section of one module in Markdown."""
    bits, rounding = (level(found[arithmetic]) for arithmetic in ARITHMETICS)
    lines = [f"## {name}", ""]
    lines += [f"Level **{bits}** to the last bit, **{rounding}** up to rounding.", ""]
    lines += [f"Searched: {domain_text(where)}.", ""]
    lines += ["| freedom | level | to the last bit | up to rounding |", "|---|---|---|---|"]
    for freedom, text in WORDS.items():
        cells = [outcome_text(found[arithmetic][freedom]) for arithmetic in ARITHMETICS]
        lines.append(f"| {text} | {freedoms.LEVELS[freedom]} | {cells[0]} | {cells[1]} |")
    for arithmetic, (dtype, _) in ARITHMETICS.items():
        for freedom, outcome in found[arithmetic].items():
            same = found["bits"][freedom].counterexample
            example = outcome.counterexample
            if example is None or (arithmetic == "rounding" and alike(example, same)):
                continue
            title = f"{WORDS[freedom]}, {str(dtype).removeprefix('torch.')}"
            layer = copy.deepcopy(module).eval().to(dtype)
            lines += ["", *trace_lines(title, layer, example)]
    return "\n".join(lines) + "\n"


def alike(one: Counterexample, other: Counterexample | None) -> bool:
    """Whether two counterexamples are the same run."""
    if other is None or (one.schedule, one.node) != (other.schedule, other.node):
        return False
    return bool((one.states.double() == other.states.double()).all())


def outcome_text(outcome: Outcome) -> str:
    """One cell of a module's table."""
    if outcome.undefined:
        return f"not defined: {outcome.undefined}"
    example = outcome.counterexample
    if example is None:
        return f"kept in all {outcome.cases:,} runs"
    nodes, edges, batches = example.schedule.size
    size = ", ".join(
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((nodes, "node"), (edges, "edge"))
    )
    return f"broken: {size}, {batches} batch{'es' if batches != 1 else ''}, by {example.gap:.2g}"


def trace_lines(title: str, layer: Any, example: Counterexample) -> list[str]:
    """Graph, states and events of a counterexample."""
    schedule = example.schedule
    edges = ", ".join(f"{start} → {end}" for start, end in schedule.edges)
    lines = [f"### Smallest counterexample: {title}", "", f"Edges: {edges}.", ""]
    events = freedoms.trace(layer, schedule, example.batch, example.row, example.node)
    return lines + [
        f"{turn}. {text}: {numbers(value)}" for turn, (text, value) in enumerate(events, 1)
    ]


def whole(pages: list[str]) -> str:
    """The report on all modules."""
    head = [
        "# Asynchrony certificate",
        "",
        "Level 1: messages may come in any order and grouping. Level 2: nodes may update, and "
        "receive, more than once. Level 3: nodes may send states in parts. A level includes those "
        "below it. To the last bit: float32, where -0 equals 0. Up to rounding: float64, to a "
        f"relative {ROUNDING:g}. What is certified are these runs of these weights, and nothing "
        "beyond them.",
        "",
    ]
    return "\n".join(head) + "\n" + "\n".join(pages)
