"""A pretrained decoder of any architecture, with TransNAR's gated cross-attention after its layers.

The layers are the model's own: hooks add the cross-attention to what they return. Its gate is
closed at the start, so that training starts from exactly the pretrained model. Paper: section 4.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.inference import engines
from workflow_scripts.inference.layers import layer_list
from workflow_scripts.shared import seeds
from workflow_scripts.transnar.arms import of
from workflow_scripts.transnar.decoder import Coupled, Shape, Text
from workflow_scripts.transnar.model_words import ModelWords

ALL, COUPLINGS = "all", "couplings"  # the weights that training changes
RANDOMISED = "randomised"
TOKENS = 8  # of the text on which the use of positions is tried
# Most change of a logit, as a share of their spread, that the rounding of distant angles explains.
ROUNDING = 0.02


@dataclass(frozen=True)
class Start:
    """How a pretrained decoder is coupled, trained and told its positions.

    With `trained` "couplings", the hybrid's own layers stay as they are. A coupling follows every
    `every`-th layer. Randomised positions are drawn below `position_range`.
    """

    trained: str
    every: int
    positions: str
    position_range: int


class Pretrained(Coupled):
    """A causal language model, coupled to a reasoner unless its shape has `reasoner_width` 0."""

    def __init__(self, model: Any, words: Any, shape: Shape, every: int = 1) -> None:
        super().__init__(shape)
        self.decoder, self.words = without_dropout(model), words
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        layers = layers_of(model)
        chosen = list(layers[every - 1 :: every]) if shape.reasoner_width else []
        if shape.reasoner_width and not chosen:
            raise ValueError(
                f"transnar.pretrained.every: expected at most the model's {len(layers)} layers, "
                f"found {every}"
            )
        self.couple(chosen)
        self.to(model.device)

    def freeze(self) -> None:
        """Train the cross-attentions only."""
        self.decoder.requires_grad_(False)

    def attend(self, adaptive: bool) -> None:
        """Nothing to set: self-attention is the model's own. Raises `ValueError` for another."""
        if adaptive:
            raise ValueError("expected a pretrained decoder's own attention, found an adaptive one")

    def forward(self, text: Text, cache: Any = None, last: int = 0) -> Tensor:
        """Logits (B, T, vocabulary), or those of the `last` places only.

        `text.attended` also covers the tokens in the cache.
        """
        given = {
            "position_ids": text.positions,
            "past_key_values": cache,
            "use_cache": cache is not None,
            "logits_to_keep": last,
        }
        known = {name: value for name, value in given.items() if name in self._takes}
        logits: Tensor = self.decoder(
            input_ids=text.ids, attention_mask=text.attended, **known
        ).logits
        return logits[:, -last:]

    def trained(self) -> dict[str, Tensor]:
        """The parameters that training changes, shared ones once."""
        return {
            name: value.detach() for name, value in self.named_parameters() if value.requires_grad
        }

    @torch.no_grad()
    def restore(self, trained: dict[str, Tensor]) -> None:
        """Take over tensors that `trained` of an equal model has returned.

        Raises `ValueError` for those of another model.
        """
        own = self.trained()
        if differ := sorted(own.keys() ^ trained.keys()):
            raise ValueError(
                f"expected the trained weights of this decoder, found others ({differ[0]}); delete "
                "them and train again"
            )
        for name, value in own.items():
            value.copy_(trained[name])


def layers_of(model: Any) -> nn.ModuleList:
    """The decoder's layers. Raises `EngineError` where they are not found."""
    return layer_list(model, model.config.get_text_config().num_hidden_layers)


def shape_of(model: Any, start: Start, arm: str, reasoner_width: int) -> Shape:
    """The shape of an arm on a model: its width and heads are the model's, the gate is closed."""
    config, own = model.config.get_text_config(), of(arm)
    width, most = config.hidden_size, config.num_attention_heads
    return Shape(
        width=width,
        layers=config.num_hidden_layers,
        heads=next(count for count in range(most, 0, -1) if width % count == 0),
        mlp=0,  # the model's own
        position_range=start.position_range,
        labels=0,
        reasoner_width=0 if own.reasoner == "none" else reasoner_width,
        streams=own.streams,
        gate=0.0,
        merge=own.merge,
        plain_positions=start.positions != RANDOMISED,
    )


def load(
    name: str,
    spec: dict[str, Any],
    checkpoint: str,
    start: Start,
    arm: str,
    reasoner_width: int,
    seed: int,
) -> Pretrained:
    """The decoder of an arm before training: the pretrained model, with new couplings.

    `spec` and `checkpoint` as for `engines.load`; weights are float32, as the optimiser needs them.
    Equal seeds give equal couplings. Raises `EngineError` if the model cannot be loaded, and
    `ValueError` if it cannot have the wanted positions.
    """
    engine: Any = engines.load(name, spec | {"dtype": "float32"}, checkpoint)
    shape = shape_of(engine.model, start, arm, reasoner_width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "initial"))
        made = Pretrained(engine.model, ModelWords(engine), shape, start.every)
    if not shape.plain_positions:
        refuse_other_positions(made, name)
    if shape.reasoner_width and start.trained == COUPLINGS:
        made.freeze()
    return made


def without_dropout(model: Any) -> Any:
    """The model, which computes in training as at inference: the paper states no dropout."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    return model.train()


@torch.no_grad()
def refuse_other_positions(made: Pretrained, name: str) -> None:
    """Raise `ValueError` for a model on which randomised positions do not act as in the paper.

    Rotary positions are relative: a shift of all changes no logit, and gaps between them do. The
    second row has the largest positions of the range; where these change the first row, frequencies
    depend on the longest text of a batch.
    """
    near = torch.arange(TOKENS)
    top = made.shape.position_range - TOKENS
    tried: tuple[tuple[Sequence[Tensor], bool], ...] = (
        ((near, near + 1), True),  # an embedding of positions differs here, within its table
        ((near, near * 5), False),
        ((near, near + top), True),
    )
    first: Tensor | None = None
    for rows, same in tried:
        found = _logits(made, torch.stack(list(rows)))
        first = found[0] if first is None else first
        spread = ROUNDING * (found[0].max() - found[0].min())
        apart = (found - found[0]).abs().max() > spread
        if bool(apart) == same or bool((found[0] - first).abs().max() > spread):
            raise ValueError(
                f"models.{name}: expected rotary positions up to {made.shape.position_range}, "
                "found others (logits do not depend on the distances between positions alone); set "
                "transnar.pretrained.positions: plain, or a smaller position_range"
            )


def _logits(made: Pretrained, positions: Tensor) -> Tensor:
    """Logits at the last token of the same text at other positions, (rows, T) to (rows, V)."""
    ids = made.words.prompt("bfs:\ns: 1, A: [[0 1], [1 0]]")[:TOKENS]
    size = (len(positions), len(ids))
    none = torch.zeros(*size, 2, dtype=torch.int64)
    text = Text(
        torch.tensor(ids).expand(size), positions[:, : len(ids)], none, none, none[..., 0] + 1
    )
    return made(text.to(made.decoder.device), last=1)[:, -1].float()
