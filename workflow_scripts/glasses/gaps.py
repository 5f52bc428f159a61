"""E4: how far apart a language model keeps two prompts that differ by one repeated token.

Sequences and panels are those of figures 5 and 12: ones, digits that end in one or two ones, ones
with a comma after every third digit; asked to count, to copy, or for the last digit. Read at the
last digit and at the last token of the prompt, where the reply begins, after every layer and after
the final norm; hooks keep those two rows and nothing else. How the paper splits a representation by
head is not known: the vector is cut into as many parts as there are heads.
"""

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.glasses import numerics
from workflow_scripts.glasses.attending import Change, changed, int8_weights
from workflow_scripts.glasses.rows import Row, gap_rows
from workflow_scripts.inference import chat, digits
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.shared import progress

log = logging.getLogger(__name__)

GROUP = 3  # digits between two commas
PLACES = ("digit", "reply")
WORDINGS = {
    # As the embedded models are taught.
    "short": {"count": "Count the ones in {}?", "copy": "Copy {}?", "last": "Last digit of {}?"},
    # After figures 5 and 12 and appendix C.
    "paper": {
        "count": "How many ones are in this sequence: {}",
        "copy": "Please copy this number: {}",
        "last": "What is the last digit of the sequence? Reply with 'Answer:' and the digit. "
        "Here is the sequence: {}",
    },
}
PANELS = {  # name: what is asked, and of which digits
    "count_ones": ("count", "ones"),
    "count_digits": ("count", "digits"),
    "copy_ones": ("copy", "ones"),
    "copy_separated": ("copy", "separated"),
    "last_ones": ("last", "ones"),
}


def sequence(kind: str, length: int, rng: np.random.Generator | None) -> str:
    """`length` digits. Random ones end in a one; commas are not counted."""
    if kind == "digits":
        assert rng is not None
        return "".join(map(str, rng.integers(10, size=length - 1))) + "1"
    ones = "1" * length
    if kind == "ones":
        return ones
    return ",".join(ones[start : start + GROUP] for start in range(0, length, GROUP))


def pair(kind: str, length: int, rng: np.random.Generator) -> tuple[str, str]:
    """A sequence of `length` digits and the same with its last digit repeated."""
    if kind == "digits":
        plain = sequence(kind, length, rng)
        return plain, plain + "1"
    return sequence(kind, length, None), sequence(kind, length + 1, None)


class Reader:
    """Representations of one model's prompts at two places.

    `read` returns (layers + 1, places, d) in float64: after each layer, and after the final norm.
    """

    def __init__(self, model: Any):
        self.model = model
        config = model.config.get_text_config()
        self.layers = layer_list(model, config.num_hidden_layers)
        self.heads = config.num_attention_heads

    def read(self, ids: Sequence[int], places: Sequence[int]) -> np.ndarray:
        at = torch.tensor(places, device=self.model.device)
        kept: list[Tensor] = []

        def after(_module: Any, _inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            kept.append(states[0, at].double().cpu())

        def before(_module: Any, inputs: tuple[Tensor, ...]) -> Any:
            kept.append(inputs[0][0, at].double().cpu())
            # The vocabulary's logits are of no use here.
            return (inputs[0][:, -1:],)

        hooks = [layer.register_forward_hook(after) for layer in self.layers]
        hooks.append(self.model.get_output_embeddings().register_forward_pre_hook(before))
        try:
            with torch.inference_mode():
                tokens = torch.tensor([list(ids)], device=self.model.device)
                self.model(input_ids=tokens, use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(kept).numpy()


def layer_list(model: torch.nn.Module, count: int) -> torch.nn.ModuleList:
    """The model's decoder layers. Raises `EngineError` when they cannot be told."""
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise EngineError(f"{type(model).__name__}: no list of {count} layers to read from")


class Prompts:
    """The study's prompts for one model, as tokens."""

    def __init__(self, engine: Any, wording: str):
        self.engine = engine
        self.words = WORDINGS[wording]
        self.digits = digits.inspect(engine.tokenizer, engine.name)
        digits.report(self.digits, engine.name)
        self.marks = set(self.digits.alone.values())

    def tokens(self, asked: str, shown: str) -> tuple[list[int], tuple[int, int]]:
        """Token ids of a prompt, and the places of its last digit and its last token."""
        turns = [{"role": "user", "content": self.words[asked].format(shown)}]
        text = chat.render(self.engine.tokenizer, self.engine.spec, turns)
        special = not chat.templated(self.engine.spec)
        ids = digits.spell(self.engine.tokenizer, self.digits, text, special)
        last = max(place for place, token in enumerate(ids) if token in self.marks)
        return ids, (last, len(ids) - 1)


def refuse_overlong(prompts: Prompts, lengths: Sequence[int], key: str) -> None:
    """Raise `EngineError` when the longest prompt does not fit, before anything is computed."""
    limit = prompts.engine.context
    for length in sorted(lengths):
        for asked, kind in PANELS.values():
            shown = sequence(kind, length + 1, np.random.default_rng(0))
            tokens = len(prompts.tokens(asked, shown)[0])
            if tokens > limit:
                item = f"{key}: {length} digits"
                raise EngineError(digits.overlong(prompts.engine.name, item, tokens, 0, limit))


@contextmanager
def in_precision(model: Any, precision: str, change: Change) -> Iterator[Any]:
    """A copy of the model in one of `numerics.MANTISSA_BITS`, attending as `change` says."""
    own = copy.deepcopy(model)
    how = Change(change.window, change.sink, change.cache_bits)
    if precision.endswith("_cache"):
        how.cache_bits = int(precision.removeprefix("int").removesuffix("_cache"))
    own = own.to(getattr(torch, precision, torch.float32))
    if precision == "int8_weights":
        int8_weights(own)
    with changed(own, how):
        yield own


def panels(
    reader: Reader,
    prompts: Prompts,
    names: Sequence[str],
    lengths: Sequence[int],
    count: int,
    seed: int,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Representations, twice (draws, lengths, layers + 1, places, d), for each panel."""
    found = {}
    for name in names:
        asked, kind = PANELS[name]
        draws = count if kind == "digits" else 1
        both: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for draw in range(draws):
            rng = np.random.default_rng([seed, draw])
            for length in lengths:
                for side, shown in zip(both, pair(kind, length, rng), strict=True):
                    side.append(reader.read(*prompts.tokens(asked, shown)))
        shape = (draws, len(lengths), *both[0][0].shape)
        found[name] = (np.stack(both[0]).reshape(shape), np.stack(both[1]).reshape(shape))
    return found


def rows_of(
    experiment: str,
    lengths: Sequence[int],
    heads: int,
    plain: np.ndarray,
    longer: np.ndarray,
    precision: str,
    **where: Any,
) -> list[Row]:
    """Rows of one panel: at every layer the largest and the heads' mean gap, at the end more."""
    rows = []
    apart = np.abs(plain - longer)
    layers = apart.shape[2]
    for number, place in enumerate(PLACES):
        for layer in range(layers):
            here = apart[:, :, layer, number]
            where_ = {"precision": precision, "place": place, "layer": layer + 1, **where}
            parts = here.reshape(*here.shape[:2], heads, -1).max(-1).mean(0)
            for column, length in enumerate(lengths):
                base = {"experiment": experiment, "length": length, "n": len(here), **where_}
                each = parts[column]
                ends = {"ci_low": each.min(), "ci_high": each.max()}
                rows.append(base | {"metric": "gap_heads", "value": each.mean()} | ends)
                value = here[:, column].max(-1).mean()
                rows.append(base | {"metric": "gap_layer", "value": value})
                for head in range(heads) if layer == layers - 1 else ():
                    rows.append(base | {"metric": "gap_head", "head": head, "value": each[head]})
        last = apart[:, :, -1, number]
        final = {
            "gap_l1": last.sum(-1),
            "gap_linf": last.max(-1),
            "equal": (last.max(-1) == 0).astype(float),
            "scale": np.abs(plain[:, :, -1, number]).max(-1),
        }
        rows += gap_rows(experiment, lengths, final, precision, place=place, **where)
    return rows


def measure(engine: Any, settings: dict[str, Any], seed: int) -> list[Row]:
    """All panels in every precision (E4), and the cures side by side in `settings["cured_in"]`."""
    prompts = Prompts(engine, settings["wording"])
    grid = settings["lengths"]
    lengths = numerics.log_grid(grid["least"], grid["most"], grid["points"])
    refuse_overlong(prompts, lengths, "glasses.gaps.lengths")
    rows = []
    for precision in progress.track(settings["precisions"], description="E4", unit="precision"):
        try:
            with in_precision(engine.model, precision, Change()) as model:
                found = panels(
                    Reader(model), prompts, list(PANELS), lengths, settings["draws"], seed
                )
        except (RuntimeError, NotImplementedError) as error:
            log.warning("models.%s does not run in %s (%s)", engine.name, precision, error)
            continue
        heads = Reader(engine.model).heads
        for panel, sides in found.items():
            rows += rows_of("E4", lengths, heads, *sides, precision, panel=panel)
    for cure in ("window", "sink"):
        change = Change(settings["window"] if cure == "window" else None, cure == "sink")
        with in_precision(engine.model, settings["cured_in"], change) as model:
            reader = Reader(model)
            found = panels(reader, prompts, ["copy_ones"], lengths, settings["draws"], seed)
        sides = found["copy_ones"]
        where: dict[str, Any] = {"panel": "copy_ones", "cure": cure}
        rows += rows_of("cures", lengths, reader.heads, *sides, settings["cured_in"], **where)
    merged = float(prompts.digits.merges is not None)
    return [*rows, {"experiment": "E4", "metric": "digits_merged", "value": merged, "n": 1}]
