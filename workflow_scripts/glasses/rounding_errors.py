"""What rounding to a format can do to a margin of a model's reply, to first order.

A format is the type in which a model computes and that in which its cache keeps keys and values.
One pass in float32 and the gradient of a margin give, for each number that the model computes or
keeps, how far the margin moves if that number moves by half a unit in its last place. Weights are
rounded once, so their part is known; all other errors are uniform, and independent but for equal
tokens. Their numbers are nearly equal, too, and are rounded alike: the errors of x and y, whose
distance is known and whose place between two numbers of the format is not, have the correlation
1 - 6 f + 6 f^2, where f is the fraction of a unit in |x - y|. It is computed as a Fourier series,
sum over k of cos(2 pi k f) 6 / (pi k)^2, so that n tokens cost n and not n^2.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from scipy.stats import norm
from torch import Tensor

from workflow_scripts.glasses import metrics
from workflow_scripts.glasses.changed_attention import quantised

REFERENCE = "float32"
HARMONICS = 4  # of that series: 87 % of the variance; the rest is taken as independent


class Format(NamedTuple):
    """The type that a model computes in, and the one that its cache keeps keys and values in."""

    dtype: str
    cache: str


class Errors(NamedTuple):
    """One step of a reply in one format, all in units of the logits.

    `margin`: of the reply's token over the best other one, in float32. `shift`: what the rounding
    of the weights adds to it. `spread`: standard deviation of what all other roundings add, `bound`
    the most that they can. `units`: by how many units in its last place each coordinate of the last
    token's representation must move against the margin to close it.
    """

    margin: float
    shift: float
    spread: float
    bound: float
    units: float

    def probability(self) -> float:
        """Probability that the margin is lost: a normal error, cut off at the bound."""
        left = self.margin + self.shift
        if left >= self.bound or left <= -self.bound:
            return float(left <= 0)
        most, here = norm.cdf([self.bound / self.spread, left / self.spread])
        return float((most - here) / (2 * most - 1))


@dataclass
class Watched:
    """Tensors of one pass: what the model computed, what it kept, the last representations."""

    computed: list[Tensor] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)
    last: Tensor | None = None

    def keep(self, states: Tensor) -> Tensor:
        """Note keys or values (1, heads, n, d); returns them unchanged."""
        self.kept.append(states)
        return states


def bits(name: str) -> int | None:
    """The bits of `int8` or `int4`; None for a type of torch."""
    return int(name.removeprefix("int")) if name.startswith("int") else None


def unit(states: Tensor, name: str) -> Tensor:
    """The distance of neighbouring numbers of a format at each entry of `states`, (..., d).

    That of `int8` and `int4` is one for a whole vector.
    """
    if (own := bits(name)) is not None:
        return states.abs().amax(-1, keepdim=True).expand_as(states) / (2 ** (own - 1) - 1)
    found = metrics.ulp(states.detach().abs().double().cpu().numpy(), name)
    return torch.from_numpy(found).to(states.device, states.dtype)


def rounded(states: Tensor, name: str) -> Tensor:
    """`states` (..., d) as a cache of this format keeps them, in their own type.

    Numbers beyond the range of an 8-bit float become its largest.
    """
    if (own := bits(name)) is not None:
        return quantised(states, own)
    dtype = getattr(torch, name)
    if dtype.itemsize == 1:
        most = torch.finfo(dtype).max
        states = states.clamp(-most, most)
    return states.to(dtype).to(states.dtype)


def coarser(cache: str, dtype: str) -> bool:
    """Whether a cache rounds what was computed in `dtype`."""
    own = bits(cache)
    return own is not None or metrics.MANTISSA_BITS[cache] < metrics.MANTISSA_BITS[dtype]


@contextmanager
def watching(model: Any) -> Iterator[Watched]:
    """Note what enters and leaves each innermost module of the model, each tensor once.

    Entries of an embedding are weights, not computed. `kept` is for the attention to fill.
    """
    found, seen = Watched(), dict[int, Tensor]()
    head = model.get_output_embeddings()

    def note(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if module is head:
            found.last = inputs[0]
        if isinstance(module, torch.nn.Embedding):
            seen[id(output)] = output
            return
        for each in (*inputs, output):
            if isinstance(each, Tensor) and each.requires_grad and id(each) not in seen:
                seen[id(each)] = each
                found.computed.append(each)

    leaves = [module for module in model.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def run(model: Any, tokens: Sequence[int]) -> Tensor:
    """Logits (n, vocabulary) at every token, in one pass without a cache."""
    ids = torch.tensor([list(tokens)], device=model.device)
    return model(input_ids=ids, use_cache=False).logits[0]


def margins(logits: Tensor, tokens: Sequence[int], start: int) -> tuple[Tensor, Tensor]:
    """Margins (T,) of the reply `tokens[start:]` over the best other token, and those tokens."""
    own = torch.tensor(tokens[start:], device=logits.device)
    at = logits[start - 1 : len(tokens) - 1]
    others = at.scatter(1, own[:, None], -math.inf).max(1)
    return at.gather(1, own[:, None])[:, 0] - others.values, others.indices


def unchanged(logits: Tensor, tokens: Sequence[int], start: int) -> bool:
    """Whether the greedy reply to `tokens[:start]` is `tokens[start:]`, from its own logits."""
    found = logits[start - 1 : len(tokens) - 1]
    return bool(found.isfinite().all()) and found.argmax(-1).tolist() == list(tokens[start:])


def predicted(
    model: Any,
    tokens: Sequence[int],
    start: int,
    formats: Sequence[Format],
    steps: int,
    replaced: Callable[[Watched], AbstractContextManager[Any]] = nullcontext,
) -> dict[Format, list[Errors]]:
    """Errors of the `steps` steps of the reply `tokens[start:]` with the least margin, per format.

    `model` computes in float32, and its parameters require gradients. `replaced` makes its
    attention report keys and values to `Watched.keep`. Nothing is computed in another format.
    """
    with watching(model) as found, replaced(found):
        logits = run(model, tokens)
    kept, kind = found.kept, kinds(tokens)
    margin, rivals = margins(logits, tokens, start)
    weights = list(model.parameters())
    result: dict[Format, list[Errors]] = {each: [] for each in formats}
    for step in margin.argsort()[:steps].tolist():
        row = logits[start - 1 + step]
        value = row[tokens[start + step]] - row[rivals[step]]
        every = [*found.computed, *kept, *weights]
        slopes = torch.autograd.grad(value, every, retain_graph=True, allow_unused=True)
        split = len(found.computed), len(found.computed) + len(kept)
        computed = _used(found.computed + kept, slopes[: split[1]])
        cached = _used(kept, slopes[split[0] : split[1]])
        stored = _used(weights, slopes[split[1] :])
        last = [pair for pair in computed if pair[0] is found.last]
        per_type = {name: _sums(computed, name, kind) for name in {f.dtype for f in formats}}
        per_cache = {name: _sums(cached, name, kind) for name in {f.cache for f in formats}}
        shifts = {name: _shift(stored, name) for name in per_type}
        for each in formats:
            bound, variance = per_type[each.dtype]
            if coarser(each.cache, each.dtype):
                more = per_cache[each.cache]
                bound, variance = bound + more[0], variance + more[1]
            whole = 2 * _sums(last, each.dtype)[0]
            own = float(value.detach())
            units = own / whole if whole else math.inf
            found_here = Errors(own, shifts[each.dtype], math.sqrt(variance), bound, units)
            result[each].append(found_here)
    return result


Pairs = Sequence[tuple[Tensor, Tensor]]


def _used(tensors: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> Pairs:
    pairs = zip(tensors, slopes, strict=True)
    return [(tensor, slope) for tensor, slope in pairs if slope is not None]


def kinds(tokens: Sequence[int]) -> Tensor:
    """The number of each token among the different ones, int64, shape (n,)."""
    return torch.tensor(list(tokens)).unique(return_inverse=True)[1]


def _sums(pairs: Pairs, name: str, kind: Tensor | None = None) -> tuple[float, float]:
    """The largest error of the margin, and its variance, from units in the last place.

    Tensors with one row per token, along the last axis but one, share the errors of equal tokens;
    `kind`, shape (n,), says which are equal.
    """
    bound = variance = 0.0
    again = None
    if kind is not None and name != REFERENCE:  # in float32, errors are far too small to matter
        again = (kind.bincount()[kind] > 1).nonzero()[:, 0]
    for tensor, slope in pairs:
        units = unit(tensor.detach(), name)
        moved = (slope * units).double()
        bound += float(moved.abs().sum()) / 2
        variance += float((moved**2).sum()) / 12
        if kind is None or again is None or not len(again):
            continue
        if tensor.dim() > 2 and tensor.shape[-2] == len(kind):
            rows = [
                each.index_select(-2, again) for each in (moved.float(), tensor.detach(), units)
            ]
            variance += shared_variance(rows[0], rows[1], rows[2], kind[again])
    return bound, variance


def shared_variance(moved: Tensor, numbers: Tensor, units: Tensor, kind: Tensor) -> float:
    """What the variance of a sum of errors has from their correlation, for tensors (..., n, d).

    The `numbers` of a coordinate are rounded to multiples of `units`, and an error of a whole unit
    moves the sum by `moved`. Only rows of one `kind`, shape (n,), are correlated, and of these
    those with units of the same magnitude.
    """
    used = units > 0
    units = units.where(used, torch.ones_like(units))
    phase = torch.where(used, numbers / units, 0.0)
    turn = torch.polar(torch.ones_like(phase), 2 * math.pi * (phase - phase.round()))
    magnitude = units.log2().floor().long()
    magnitude -= magnitude.min()
    kind = kind.to(moved.device).unique(return_inverse=True)[1]
    place = magnitude + (int(magnitude.max()) + 1) * kind[:, None]
    sums = moved.new_zeros((*moved.shape[:-2], int(place.max()) + 1, moved.shape[-1]))
    wave, alone, found = torch.where(used, moved, 0.0).to(turn.dtype), float((moved**2).sum()), 0.0
    for k in range(1, HARMONICS + 1):
        wave = wave * turn
        parts = (sums.scatter_add(-2, place, part) for part in (wave.real, wave.imag))
        together = sum(float((part**2).sum()) for part in parts)
        found += (together - alone) / (2 * (math.pi * k) ** 2)
    return found


def _shift(pairs: Pairs, name: str) -> float:
    """What the margin gains, to first order, when weights are rounded to `name`."""
    return sum(
        float((slope * (rounded(weight.detach(), name) - weight.detach())).double().sum())
        for weight, slope in pairs
    )
