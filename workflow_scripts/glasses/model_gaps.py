"""E4: how far apart a language model keeps two prompts that differ by one repeated token.

Sequences and panels are those of figures 5 and 12: ones, digits that end in one or two ones, and
ones with a comma after every third digit; the model is asked to count, to copy, or for the last
digit. Representations are read at the last digit and at the last token of the prompt, where the
reply begins, after every layer and after the final norm; hooks keep only those two rows. How the
paper splits a representation by head is not known: the vector is cut into as many parts as there
are heads.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.glasses import half_products, metrics
from workflow_scripts.glasses.changed_attention import Change, changed, int8_weights
from workflow_scripts.glasses.gap_scores import gap_rows
from workflow_scripts.inference import chat, digits, placement
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.layers import layer_list
from workflow_scripts.shared import progress
from workflow_scripts.shared.scores import Row, absent, exact, interval, number
from workflow_scripts.shared.statistics import Interval

log = logging.getLogger(__name__)

GROUP = 3  # digits between two commas
# What libraries say where an operation or a type is missing. Any other error is a fault.
UNSUPPORTED = re.compile(
    r"not implemented for|not supported|n't support|unsupported|no kernel|same dtype"
    r"|expected scalar type"
)
PLACES = ("digit", "reply")
WORDINGS = {
    # As in the training data of the embedded models.
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
    """A sequence of `length` digits, not counting commas. Random digits end in a one."""
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
    """Reads the representations of one model's prompts."""

    def __init__(self, model: Any):
        self.model = model
        config = model.config.get_text_config()
        self.layers = layer_list(model, config.num_hidden_layers)
        self.heads = config.num_attention_heads

    def read(self, ids: Sequence[int], places: Sequence[int]) -> np.ndarray:
        """After each layer and after the final norm, (layers + 1, places, d), float64."""
        at = torch.tensor(places, device=self.model.device)
        kept: list[Tensor] = []

        def after(_module: Any, _inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            kept.append(states[0, at.to(states.device)].double().cpu())

        def before(_module: Any, inputs: tuple[Tensor, ...]) -> Any:
            kept.append(inputs[0][0, at.to(inputs[0].device)].double().cpu())
            # Logits are not needed: one place is enough for the output layer to run.
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


class Prompts:
    """The study's prompts for one model, as tokens."""

    def __init__(self, engine: Any, wording: str):
        self.engine = engine
        self.words = WORDINGS[wording]
        self.digits = digits.inspect(engine.tokenizer, engine.name)
        digits.report(self.digits, engine.name)
        self.marks = set(self.digits.alone.values())

    def tokens(self, asked: str, shown: str) -> tuple[list[int], tuple[int, int]]:
        """Token ids of a prompt, and the positions of its last digit and its last token."""
        turns = [{"role": "user", "content": self.words[asked].format(shown)}]
        text = chat.render(self.engine.tokenizer, self.engine.spec, turns)
        special = not chat.templated(self.engine.spec)
        ids = digits.spell(self.engine.tokenizer, self.digits, text, special)
        last = max(place for place, token in enumerate(ids) if token in self.marks)
        return ids, (last, len(ids) - 1)


def refuse_overlong(prompts: Prompts, lengths: Sequence[int], key: str) -> None:
    """Raise `EngineError` if a prompt does not fit, before anything is computed."""
    limit = prompts.engine.context
    for length in sorted(lengths):
        for asked, kind in PANELS.values():
            shown = sequence(kind, length + 1, np.random.default_rng(0))
            tokens = len(prompts.tokens(asked, shown)[0])
            if tokens > limit:
                item = f"{key}: {length} digits"
                raise EngineError(digits.overlong(prompts.engine.name, item, tokens, 0, limit))


def unsupported(error: Exception) -> bool:
    """Whether an error says that a model has no operation in a precision.

    False for a lack of memory and for every error that names another cause.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, NotImplementedError) or bool(UNSUPPORTED.search(str(error)))


@contextmanager
def in_precision(model: Any, precision: str, change: Change) -> Iterator[Any]:
    """A copy of the model in a precision of `metrics.MANTISSA_BITS`, its attention changed.

    Sets `change.rounded` for `int8_weights`, which raises as `changed_attention.int8_weights` does.
    """
    own = placement.copied(model)
    how = Change(change.window, change.sink, change.cache_bits)
    if precision.endswith("_cache"):
        how.cache_bits = int(precision.removeprefix("int").removesuffix("_cache"))
    own = own.to(getattr(torch, precision, torch.float32))
    if precision == "int8_weights":
        change.rounded = int8_weights(own)
    with half_products.linear_layers(own), changed(own, how):
        yield own


def panels(
    reader: Reader, prompts: Prompts, names: list[str], lengths: list[int], count: int, seed: int
) -> dict[str, np.ndarray]:
    """Representations of both sides by panel, (draws, lengths, 2, layers + 1, places, d)."""
    found = {}
    for name in names:
        asked, kind = PANELS[name]
        draws = count if kind == "digits" else 1
        sides = []
        for draw in range(draws):
            rng = np.random.default_rng([seed, draw])
            for length in lengths:
                both = pair(kind, length, rng)
                sides.append([reader.read(*prompts.tokens(asked, shown)) for shown in both])
        found[name] = np.array(sides).reshape(draws, len(lengths), *np.shape(sides[0]))
    return found


def panel_rows(
    experiment: str, lengths: Sequence[int], heads: int, sides: np.ndarray, **conditions: Any
) -> list[Row]:
    """Scores of one panel: the largest gap and the mean over heads at each layer, more at the last.

    `sides` has shape (draws, lengths, 2, layers + 1, places, d).
    """
    rows = []
    conditions["units"] = "draws"
    apart = np.abs(sides[:, :, 0] - sides[:, :, 1])
    apart[~np.isfinite(apart)] = np.nan  # an overflow, also where only one side is infinite
    draws, _, layers = apart.shape[:3]
    for at, place in enumerate(PLACES):
        for layer in range(layers):
            here = apart[:, :, layer, at]
            where = {"place": place, "layer": layer + 1, **conditions}
            parts = here.reshape(*here.shape[:2], heads, -1).max(-1).mean(0)
            for column, length in enumerate(lengths):
                each = parts[column]
                ends = Interval(each.mean(), each.min(), each.max(), draws)
                rows.append(interval(experiment, "gap_heads", ends, length=length, **where))
                value = here[:, column].max(-1).mean()
                rows.append(number(experiment, "gap_layer", value, draws, length=length, **where))
                for head in range(heads) if layer == layers - 1 else ():
                    own = {"length": length, "head": head, **where}
                    rows.append(number(experiment, "gap_head", each[head], draws, **own))
        plain, repeated = (sides[:, :, side, -1, at] for side in range(2))
        final = metrics.gaps(plain, repeated, conditions["precision"])
        rows += gap_rows(experiment, lengths, final, place=place, **conditions)
    return rows


def measure(engine: Any, settings: dict[str, Any], wording: str, seed: int) -> list[Row]:
    """Scores of all panels in every precision (E4), and of the cures in `settings["cured_in"]`.

    `settings` is `glasses.gaps` of the config, `wording` a name of `WORDINGS`. A precision that the
    model does not run in is named in the log, and in a row without a value.
    """
    prompts = Prompts(engine, wording)
    lengths = sorted(settings["lengths"])
    refuse_overlong(prompts, lengths, "glasses.gaps.lengths")
    heads = Reader(engine.model).heads

    def rows_of(
        experiment: str, names: list[str], precision: str, change: Change, **conditions: Any
    ) -> list[Row]:
        with in_precision(engine.model, precision, change) as model:
            found = panels(Reader(model), prompts, names, lengths, settings["draws"], seed)
        rows = []
        for panel, sides in found.items():
            where = {"precision": precision, "panel": panel, **conditions}
            rows += panel_rows(experiment, lengths, heads, sides, **where)
        return rows

    rows: list[Row] = []
    for precision in progress.track(settings["precisions"], description="E4", unit="precision"):
        change = Change()
        try:
            rows += rows_of("E4", list(PANELS), precision, change)
        except (RuntimeError, TypeError) as error:
            if not unsupported(error):
                raise
            log.warning("models.%s does not run in %s (%s)", engine.name, precision, error)
            rows.append(absent("E4", "gap_linf", str(error), units="draws", precision=precision))
        if change.rounded:
            share, weights = change.rounded[0] / change.rounded[1], change.rounded[1]
            where = {"precision": precision, "units": "weights"}
            rows.append(exact("E4", "weights_rounded", share, weights, **where))
    for cure in ("window", "sink"):
        change = Change(settings["window"] if cure == "window" else None, cure == "sink")
        rows += rows_of("cures", ["copy_ones"], settings["cured_in"], change, cure=cure)
    merged = prompts.digits.merges is not None
    return [*rows, exact("E4", "digits_merged", merged, 1, units="tokenizers")]
