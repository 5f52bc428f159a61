"""The cases of `gpu.py`: each takes a folder, a device and a budget in seconds, and yields rows.

A row has the fastest and the median time of a step in milliseconds, the operations that it needs
and, where memory limits it, the bytes that it must move.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gpu_replies
import operations
import torch
import training as embedded_training
from gpu_rows import SEED, Row, small, steps
from scaling_paper import config_of

from workflow_scripts.shared import adaptive_temperature, devices
from workflow_scripts.shared.fingerprint import ROOT

ALGORITHMS = ("floyd_warshall", "bfs")  # the longest texts, and the common example
TEXT_NODES, GRAPH_NODES = 12, 16  # the largest that the papers train on
POLYNOMIAL = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"


def prepare(folder: Path, tiny: bool) -> None:
    """Draw the graphs with their texts that are not in the folder yet."""
    from workflow_scripts.clrs import export, store

    folder.mkdir(parents=True, exist_ok=True)
    sizes = (4, 4, 12) if tiny else (TEXT_NODES, GRAPH_NODES, 64)
    for algorithm in ALGORITHMS:
        path = graphs(folder, algorithm, tiny)
        if not path.exists():
            text, alone, samples = sizes
            wanted = [("text", text, samples), ("graphs", alone, samples)]
            store.write(path, *export.pairs(algorithm, wanted[: 1 + (text != alone)], SEED))


def graphs(folder: Path, algorithm: str, tiny: bool) -> Path:
    """The file of an algorithm's graphs."""
    return folder / f"{algorithm}{'-tiny' if tiny else ''}.npz"


def card(_: Path, device: str, budget_s: float) -> Iterator[Row]:
    """The card itself: products in both precisions, and copies."""
    side, copied = (512, 10**7) if small(device) else (8192, 4 * 10**9)
    found = operations.rates(device, side, copied, min(20.0, budget_s / 3))
    yield {
        "case": "card",
        "float32_tflops": float(f"{found.float32 / 1e12:.4g}"),
        "bfloat16_tflops": float(f"{found.bfloat16 / 1e12:.4g}"),
        "copies_gb_s": float(f"{found.copies / 1e9:.4g}"),
    }


def embedded(_: Path, device: str, budget_s: float) -> Iterator[Row]:
    """Training of an embedded model: bfloat16, compiled on a GPU."""
    from workflow_scripts.models import architecture, batches, training

    config = config_of()
    spec = config["models"]["embedded-s" if small(device) else "embedded-m"]
    own = config["embedded"]["train"]
    if small(device):
        config["embedded"]["corpus"]["conversations"] |= dict.fromkeys(
            config["embedded"]["corpus"]["conversations"], 200
        )
    fields = {k: v for k, v in own.items() if k in training.Settings.__annotations__}
    tokens, encoded = embedded_training.data(config)
    model: Any = architecture.build(tokens, spec, SEED)
    model.to(device).train()
    decoder = training._decoder(model)
    precision = devices.dtype("auto")
    mixed = precision == "bfloat16"
    sizes = (256,) if small(device) else (own["batch_tokens"], 16 * own["batch_tokens"])
    for size in sizes:
        settings = training.Settings(steps=spec["steps"], **(fields | {"batch_tokens": size}))
        schedule = batches.Schedule(encoded.lengths, size, SEED)
        drawn = [batches.gather(encoded, schedule.step(number)) for number in range(8)]
        step = embedded_training.stepper(
            model, settings, lambda batch: training._loss(decoder, model, batch, mixed), mixed
        )

        # One batch after another: `map` calls the step when its next result is asked for.
        turns = map(step, itertools.cycle(drawn))
        budget = budget_s / (len(sizes) + 1)
        taken = operations.timed(partial(next, turns), device, budget, warm_up=len(drawn))

        def forward_and_back(batch: batches.Batch) -> None:
            training._loss(model.model, model, batch, mixed).backward()

        needed = statistics.mean(
            operations.counted(partial(forward_and_back, batch), device) for batch in drawn
        )
        model.zero_grad()
        what = f"{size} tokens, {'compiled' if device == 'cuda' else 'not compiled'}"
        per_s = round(size / statistics.median(taken))
        notes = {"precision": precision, "operations": needed, "tokens_per_s": per_s}
        yield steps("embedded training", taken, what=what, **notes)


def decoder(folder: Path, device: str, budget_s: float) -> Iterator[Row]:
    """A training step of `transnar` on the longest texts, in several ways."""
    from workflow_scripts.clrs.processors import PROCESSORS
    from workflow_scripts.clrs.reasoner import Reasoner
    from workflow_scripts.transnar import attention, batches, train
    from workflow_scripts.transnar.arms import ARMS
    from workflow_scripts.transnar.training import Settings, Training

    attention.use(adaptive_temperature.published(POLYNOMIAL))
    papers = config_of(*(() if small(device) else ("presets/paper.yaml",)))
    own, width = papers["transnar"], papers["clrs"]["train"]["width"]
    algorithm = ALGORITHMS[0]
    sets = batches.read(str(graphs(folder, algorithm, small(device))), algorithm, "text")
    torch.manual_seed(SEED)
    spec = {algorithm: sets[0].trajectories.spec}
    processor = PROCESSORS[papers["clrs"]["train"]["processor"]]
    frozen = {algorithm: Reasoner(spec, width, processor).eval().requires_grad_(False)}
    fields = {k: v for k, v in own["train"].items() if k in Settings.__annotations__}
    plain = Settings(**fields | {"steps": 10**9, "precision": "bfloat16"})
    ways = {
        ("text", "bfloat16"): plain,
        ("hybrid", "bfloat16"): plain,
        ("hybrid", "bfloat16, recomputed"): replace(plain, recompute=True),
        ("hybrid_adaptive", "bfloat16"): plain,
        ("hybrid", "float32"): replace(plain, precision="float32"),
    }
    needed: dict[str, int] = {}
    for (name_of_arm, what), settings in ways.items():
        arm = ARMS[name_of_arm]
        shape = train.shape_of(arm, own["decoder"], width)
        state = Training(sets, frozen, arm, shape, settings, SEED)
        if name_of_arm not in needed:  # what is computed again does not count
            needed[name_of_arm] = operations.counted(state.advance, device)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        taken = operations.timed(state.advance, device, budget_s / 8, warm_up=1, most=20)
        notes = {"precision": settings.precision, "operations": needed[name_of_arm]}
        what = f"{name_of_arm}, {what}, {settings.batch} x {algorithm} of {sets[0].nodes}"
        yield steps("transnar step", taken, what=what, **notes)
        del state


def reasoner(folder: Path, device: str, budget_s: float) -> Iterator[Row]:
    """A training step of a reasoner, on short and on long trajectories."""
    from workflow_scripts.clrs import store, trajectories
    from workflow_scripts.clrs.processors import PROCESSORS
    from workflow_scripts.clrs.training import Settings, Training

    own = config_of()["clrs"]["train"]
    fields = {k: v for k, v in own.items() if k in Settings.__annotations__}
    fields |= {"steps": 10**9, "validate_every": 10**9}
    if small(device):
        fields |= {"width": 16, "batch": 4}
    for algorithm in ALGORITHMS:
        path = graphs(folder, algorithm, small(device))
        split, nodes = max(store.sets(path), key=lambda held: held[1])
        data = {algorithm: [trajectories.read(path, algorithm, split, nodes)]}
        state = Training(data, PROCESSORS[own["processor"]], Settings(**fields), SEED)
        taken = operations.timed(state.advance, device, budget_s / 4)
        needed = operations.counted(state.advance, device)
        what = f"{algorithm}, {nodes} nodes, batch {fields['batch']}, width {fields['width']}"
        notes = {"precision": "float32", "operations": needed}
        yield steps("reasoner step", taken, what=what, **notes)


def copier(_: Path, device: str, budget_s: float) -> Iterator[Row]:
    """A training step of the copiers of `perplexity`, all seeds together."""
    from workflow_scripts.perplexity import copying, decoder, training

    papers = config_of(*(() if small(device) else ("presets/paper.yaml",)))
    own = papers["perplexity"]["copying"]
    shape = decoder.Shape(
        copying.VOCABULARY, copying.BITS, own["width"], own["layers"], own["heads"], "rope"
    )
    indices = list(range(own["seeds"]))
    start = training.initial(SEED, shape, indices, "copying", "rope")
    parameters = decoder.to(start, device)
    for tensor in parameters.values():
        tensor.requires_grad_()
    data = copying.Strings(SEED, indices, own["batch"], own["longest"], shape)
    optimiser = torch.optim.AdamW(parameters.values(), lr=1e-3, fused=True)

    def step() -> None:
        loss, _ = data.losses(parameters)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()

    taken = operations.timed(step, device, budget_s / 2)
    needed = operations.counted(step, device)
    what = f"{own['seeds']} copiers, width {own['width']}, {own['batch']} rows"
    yield steps("copier step", taken, what=what, precision="float32", operations=needed)


class Case(NamedTuple):
    """A case, and the seconds that it may take on a GPU, loading included."""

    run: Callable[[Path, str, float], Iterator[Row]]
    seconds: float


CASES = {
    "card": Case(card, 40),
    "embedded": Case(embedded, 140),  # compiling takes up to a minute
    "replies": Case(gpu_replies.replies, 120),
    "decoder": Case(decoder, 120),
    "reasoner": Case(reasoner, 60),
    "copier": Case(copier, 40),
}
