"""The cases of `gpu.py`: each takes a folder, a device and a budget in seconds, and returns rows.

A row has the fastest and the median time of a step in milliseconds, the operations that it needs
and, where memory limits it, the bytes that it must move. `shares` adds what that is of the card's.
"""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import operations
import torch
import training as embedded_training
from scaling_paper import config_of

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT

Row = dict[str, Any]

SEED = 20260101
# Operations per second of vendors' data sheets: dense, bfloat16.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
ALGORITHMS = ("floyd_warshall", "bfs")  # the longest texts, and the common example
TEXT_NODES, GRAPH_NODES = 12, 16  # the largest that the papers train on
POLYNOMIAL = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
# Qwen3-0.6B, from its published config.
QWEN3 = {
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151_936,
    "max_position_embeddings": 40_960,
}


def name() -> str:
    """The card's name; without one that of the processor's kind."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def small(device: str) -> bool:
    """Whether sizes are tiny: without a GPU the cases are only tried."""
    return device == "cpu"


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


def shares(row: Row, card: Row) -> Row:
    """What a row's operations and bytes are, per second, of the card's own rates and its peak."""
    if not card or "step_ms" not in row:
        return {}
    seconds, found = row["step_ms"] / 1000, {}
    if operations_of := row.get("operations"):
        rate = operations_of / seconds
        products = card[f"{row['precision']}_tflops"] * 1e12
        found = {"tflops": round(rate / 1e12, 2), "of_product": round(rate / products, 4)}
        peak = next((peak for part, peak in PEAKS.items() if part in name()), None)
        if peak:
            found["mfu"] = round(rate / peak, 4)
    if moved := row.get("bytes"):
        found["of_bandwidth"] = round(moved / seconds / (card["copies_gb_s"] * 1e9), 4)
    return found


def steps(case: str, taken: Sequence[float], **notes: Any) -> Row:
    """The row of some steps, by their seconds."""
    times = {"step_ms": min(taken), "median_ms": statistics.median(taken)}
    rounded = {key: round(1000 * seconds, 3) for key, seconds in times.items()}
    row = {"case": case, **rounded, "steps": len(taken), **notes}
    if torch.cuda.is_available():
        row["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return row


def card(_: Path, device: str, budget_s: float) -> list[Row]:
    """The card itself: products in both precisions, and copies."""
    side, copied = (512, 10**7) if small(device) else (8192, 4 * 10**9)
    found = operations.rates(device, side, copied, min(20.0, budget_s / 3))
    return [
        {
            "case": "card",
            "float32_tflops": round(found.float32 / 1e12, 3),
            "bfloat16_tflops": round(found.bfloat16 / 1e12, 3),
            "copies_gb_s": round(found.copies / 1e9, 1),
        }
    ]


def embedded(_: Path, device: str, budget_s: float) -> list[Row]:
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
    model = architecture.build(tokens, spec, SEED).to(device).train()
    decoder = training._decoder(model)
    found = []
    sizes = (256,) if small(device) else (own["batch_tokens"], 16 * own["batch_tokens"])
    for size in sizes:
        settings = training.Settings(steps=spec["steps"], **(fields | {"batch_tokens": size}))
        schedule = batches.Schedule(encoded.lengths, size, SEED)
        drawn = [batches.gather(encoded, schedule.step(number)) for number in range(8)]
        step = embedded_training.stepper(
            model, settings, lambda batch: training._loss(decoder, model, batch)
        )
        turn = iter(range(10**9))
        taken = operations.timed(
            lambda step=step, drawn=drawn, turn=turn: step(drawn[next(turn) % len(drawn)]),
            device,
            budget_s / (len(sizes) + 1),
            warm_up=len(drawn),
        )
        needed = statistics.mean(
            operations.counted(
                lambda batch=batch: training._loss(model.model, model, batch).backward(), device
            )
            for batch in drawn
        )
        model.zero_grad()
        what = f"{size} tokens, {'compiled' if device == 'cuda' else 'not compiled'}"
        per_s = round(size / statistics.median(taken))
        notes = {"precision": "bfloat16", "operations": needed, "tokens_per_s": per_s}
        found.append(steps("embedded training", taken, what=what, **notes))
    return found


def runner(_: Path, device: str, budget_s: float) -> list[Row]:
    """Greedy replies of a Qwen3-0.6B with random weights: the runner, and plain `generate`.

    The bytes are the least that must be read: all weights per step, if all rows are in one batch,
    and each row's keys and values.
    """
    import runner as benchmark

    from workflow_scripts.inference import engines, requests

    rows, length = (6, 8) if small(device) else (256, 128)
    dtype = "float32" if small(device) else "bfloat16"
    with tempfile.TemporaryDirectory() as folder:
        bytes_of_weights, per_token = random_model(Path(folder), dtype, small(device))
        spec = benchmark.SPEC | {"dtype": dtype, "max_context": 512}
        engine = engines.load("bench", spec, folder, batch_tokens=131_072)
        texts = benchmark.prompts(rows, 60, seed=1)
        table = requests.table(
            requests.request(str(i), prompt=text, temperature=0, max_tokens=length, seed=0)
            for i, text in enumerate(texts)
        )
        prompt = sum(len(engine.tokenizer(text)["input_ids"]) for text in texts)
        held = per_token * (prompt * length + rows * length * (length - 1) // 2)
        found = []
        ways: dict[str, Callable[[], Any]] = {
            "runner": lambda: benchmark.ours(engine, table),
            "generate": lambda: benchmark.plain_loop(engine, texts, rows, length, None, False),
        }
        replies = list(benchmark.ours(engine, table)["text"])
        same = sum(
            a == b for a, b in zip(replies, ways["generate"](), strict=True)
        )  # in bfloat16 ties are broken differently
        for what, way in ways.items():
            taken = operations.timed(way, device, budget_s / 4, warm_up=0)
            notes = {"tokens_per_s": round(rows * length / min(taken)), "equal_replies": same}
            notes |= {"bytes": bytes_of_weights * length + held, "precision": dtype}
            found.append(steps("replies", taken, what=f"{what}, {rows} x {length}", **notes))
    return found


def random_model(folder: Path, dtype: str, tiny_shape: bool) -> tuple[int, int]:
    """Write a Qwen3 with random weights; bytes of its weights, and of one token's keys, values.

    No reply ends early or leaves the tokenizer: the rows of other tokens are 0.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from tests.inference import tiny

    words = tiny.tokenizer()
    shape = dict(QWEN3)
    if tiny_shape:
        shape |= {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        shape |= {"num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128}
        shape |= {"vocab_size": 512}
    config = Qwen3Config(
        **shape,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    torch.manual_seed(SEED)
    model = Qwen3ForCausalLM(config).to(getattr(torch, dtype))
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[len(words) :] = 0.0
        weight[words.eos_token_id] = 0.0
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    size = next(model.parameters()).element_size()
    weights = sum(parameter.numel() for parameter in model.parameters()) * size
    kept = 2 * shape["num_key_value_heads"] * shape["head_dim"] * shape["num_hidden_layers"]
    return weights, kept * size


def decoder(folder: Path, device: str, budget_s: float) -> list[Row]:
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
    found = []
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
        found.append(steps("transnar step", taken, what=what, **notes))
        del state
    return found


def reasoner(folder: Path, device: str, budget_s: float) -> list[Row]:
    """A training step of a reasoner, on short and on long trajectories."""
    from workflow_scripts.clrs import store, trajectories
    from workflow_scripts.clrs.processors import PROCESSORS
    from workflow_scripts.clrs.training import Settings, Training

    own = config_of()["clrs"]["train"]
    fields = {k: v for k, v in own.items() if k in Settings.__annotations__}
    fields |= {"steps": 10**9, "validate_every": 10**9}
    if small(device):
        fields |= {"width": 16, "batch": 4}
    found = []
    for algorithm in ALGORITHMS:
        path = graphs(folder, algorithm, small(device))
        split, nodes = max(store.sets(path), key=lambda held: held[1])
        data = {algorithm: [trajectories.read(path, algorithm, split, nodes)]}
        state = Training(data, PROCESSORS[own["processor"]], Settings(**fields), SEED)
        taken = operations.timed(state.advance, device, budget_s / 4)
        needed = operations.counted(state.advance, device)
        what = f"{algorithm}, {nodes} nodes, batch {fields['batch']}, width {fields['width']}"
        notes = {"precision": "float32", "operations": needed}
        found.append(steps("reasoner step", taken, what=what, **notes))
    return found


def copier(_: Path, device: str, budget_s: float) -> list[Row]:
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
    return [steps("copier step", taken, what=what, precision="float32", operations=needed)]


CASES: dict[str, Callable[[Path, str, float], list[Row]]] = {
    "card": card,
    "embedded": embedded,
    "runner": runner,
    "decoder": decoder,
    "reasoner": reasoner,
    "copier": copier,
}
