"""The next token of many rows at once, from the random numbers of each row, and its law.

A token is drawn by inversion: it is the first one at which the cumulative probability exceeds the
row's random number, which `noise` defines. The order of summation is fixed: the sums of blocks of
128 consecutive token ids, then the tokens of one block. So a token depends on its own row only.
For top_p, a token is drawn from all tokens, and again with the next random number as long as it is
outside the nucleus; this needs only the mass of the tokens that are likelier than it. A row whose
first `TRIES` tokens are outside is sorted, as for top_k (`filters`).
"""

from collections.abc import Callable, Sequence

import torch

from workflow_scripts.inference import filters, noise
from workflow_scripts.inference.selection import SMALL, by_block, inside, reaching

CHUNK = 1 << 21  # logits handled at once: more leave the caches, fewer show the cost of calls
TRIES = 3  # tokens drawn from all before a nucleus is sorted
COLDEST = 1e-30  # lower temperatures give the same token, but logits / temperature overflows

Draw = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _mix(words: torch.Tensor) -> torch.Tensor:
    """The finalizer of SplitMix64, on int64 interpreted as unsigned."""
    words = words ^ ((words >> 30) & ((1 << 34) - 1))
    words = words * _signed(noise.MIX_1)
    words = words ^ ((words >> 27) & ((1 << 37) - 1))
    words = words * _signed(noise.MIX_2)
    return words ^ ((words >> 31) & ((1 << 33) - 1))


def uniform(keys: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """`noise.uniform` of many keys and steps: float64 in (0, 1), shape (rows,).

    `keys` and `steps` are int64 of shape (rows,).
    """
    words = _mix(_mix(keys) + (steps + 1) * _signed(noise.GOLDEN))
    return ((words >> 12) & ((1 << 52) - 1)).double().add_(0.5).mul_(2.0**-52)


def choose(
    logits: torch.Tensor,
    temperature: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    keys: torch.Tensor,
    steps: torch.Tensor,
) -> torch.Tensor:
    """One token id per row, int64, shape (rows,), from `logits`, shape (rows, vocabulary).

    The logits may have any floating-point type; they are converted to float32 in parts. The other
    arguments have shape (rows,). Temperature 0 is greedy; `top_k` 0 and `top_p` 1 keep every token.
    The nucleus is the smallest set of likeliest tokens whose mass, renormalized after top_k, is at
    least top_p (Holtzman et al. 2020, section 3.1). Equal logits rank by token id.

    Raises `FloatingPointError` for NaN or +inf among the logits.
    """
    greedy = temperature == 0
    if bool(greedy.all()):  # converting the logits would change no comparison
        return likeliest(logits)
    heat = temperature.clamp(min=COLDEST)
    few = (top_k > 0) & (top_k < logits.shape[-1]) & ~greedy
    nucleus = (top_p < 1) & ~few & ~greedy
    free = ~(greedy | few | nucleus)
    turns = TRIES + 1 if bool(nucleus.any()) else 1
    us = torch.stack([uniform(keys, steps + (number << 32)) for number in range(turns)])
    u = us[0]
    ways: list[tuple[torch.Tensor, Draw]] = [
        (greedy, lambda x, _: likeliest(x)),
        (few, lambda x, at: _of_top_k(x, heat[at], top_k[at], top_p[at], u[at])),
        (nucleus, lambda x, at: _of_nucleus(x, heat[at], top_p[at], us[:, at])),
        (free, lambda x, at: _of_all(x, heat[at], u[at])),
    ]
    tokens = torch.empty(len(logits), dtype=torch.int64, device=logits.device)
    rows = max(1, CHUNK // logits.shape[-1])
    for chosen, draw in ways:
        which = chosen.nonzero()[:, 0]
        all_rows = len(which) == len(logits)  # these are consecutive and need no copy
        for start in range(0, len(which), rows):
            at = which[start : start + rows]
            part = logits[start : start + rows] if all_rows else logits[at]
            tokens[at] = draw(part.float(), at)
    return tokens


def law(logits: torch.Tensor, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """The probability of every token under `choose`: float64, shape (rows, vocabulary).

    `logits` have shape (rows, vocabulary), and all rows the same settings, which mean what they do
    in `choose`. Raises `FloatingPointError` for NaN or +inf among the logits.
    """
    mass = torch.zeros(logits.shape, dtype=torch.float64, device=logits.device)
    if temperature == 0:
        return mass.scatter_(1, likeliest(logits)[:, None], 1.0)
    rows = max(1, CHUNK // logits.shape[-1])
    for part, found in zip(logits.split(rows), mass.split(rows), strict=True):
        each = torch.ones(len(part), device=logits.device)
        heat, share = each * max(temperature, COLDEST), each.double() * top_p
        if 0 < top_k < logits.shape[-1]:
            most = torch.full((len(part),), top_k, device=logits.device)
            ids, kept = filters.of_top_k(part.float(), heat, most, share)
            found.scatter_add_(1, ids, kept)
        elif top_p < 1:
            every = filters.probabilities(part.float(), heat)
            sums, peaks = by_block(every, "sum").double(), by_block(every, "amax")
            for number, ids, kept in filters.of_nucleus(every, sums, peaks, share):
                found[number] = found[number].scatter_add(1, ids, kept)
        else:
            found.copy_(filters.probabilities(part.float(), heat))
    total = mass.sum(-1, keepdim=True)
    if not bool(total.isfinite().all()):
        raise filters.not_finite()
    return mass.div_(total)


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """The first of each row's largest logits, shape (rows,), from shape (rows, vocabulary).

    Equals `argmax`, whose CPU code takes several times as long. Raises `FloatingPointError` for
    NaN, which counts as the largest, and for an infinite maximum.
    """
    if logits.shape[-1] <= SMALL:
        best = logits.argmax(-1, keepdim=True)
        most = logits.gather(1, best)
    else:
        block = by_block(logits, "amax").argmax(-1, keepdim=True)
        ids, values = inside(logits, block, -torch.inf)
        place = values.argmax(-1, keepdim=True)
        best, most = ids.gather(1, place), values.gather(1, place)
    if not bool(most.isfinite().all()):
        raise filters.not_finite()
    return best[:, 0]


def _of_all(logits: torch.Tensor, heat: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    mass = filters.probabilities(logits, heat)
    return _of_mass(mass, by_block(mass, "sum").double(), u)


def _of_mass(mass: torch.Tensor, sums: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Token ids, shape (rows,), from `mass`, (rows, vocabulary), and its `sums` by block."""
    block, rest = _invert(sums, u)
    ids, found = inside(mass, block[:, None], 0.0)
    return _taken(ids, found.double(), rest)


def _of_top_k(
    logits: torch.Tensor,
    heat: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    u: torch.Tensor,
) -> torch.Tensor:
    return _taken(*filters.of_top_k(logits, heat, top_k, top_p), u)


def _of_nucleus(
    logits: torch.Tensor, heat: torch.Tensor, top_p: torch.Tensor, us: torch.Tensor
) -> torch.Tensor:
    """Token ids, shape (rows,), from the nucleus; `us` has shape (TRIES + 1, rows)."""
    mass = filters.probabilities(logits, heat)
    sums, peaks = by_block(mass, "sum").double(), by_block(mass, "amax")
    goal = top_p * sums.cumsum(-1)[:, -1]
    tokens = torch.empty_like(heat, dtype=torch.int64)
    left = torch.arange(len(tokens), device=tokens.device)
    for u in us[:TRIES]:
        drawn = _of_mass(mass, sums, u[left])
        before = _mass_before(mass, peaks, drawn)
        kept = (before < goal[left]) | (before == 0)  # the likeliest token always stays
        tokens[left] = drawn
        outside = (~kept).nonzero()[:, 0]
        left = left[outside]
        if not len(left):
            return tokens
        mass, sums, peaks = mass[outside], sums[outside], peaks[outside]
    for number, ids, kept in filters.of_nucleus(mass, sums, peaks, top_p[left]):
        tokens[left[number]] = _taken(ids, kept, us[TRIES, left[number]])
    return tokens


def _mass_before(mass: torch.Tensor, peaks: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Mass of the tokens that rank before the `drawn` one, float64, shape (rows,).

    `mass` has shape (rows, vocabulary), its `peaks` by block (rows, blocks).
    """
    own = mass.gather(1, drawn[:, None])[:, 0]
    row, ids, found = reaching(mass, peaks, own)
    ranks_before = (found > own[row]) | (ids < drawn[row])
    return torch.zeros_like(own, dtype=torch.float64).index_add_(
        0, row, (found * ranks_before).double()
    )


def _taken(ids: torch.Tensor, mass: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    return ids.gather(1, _invert(mass, u)[0][:, None])[:, 0]


def _invert(mass: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first index at which the cumulative `mass` exceeds u times the total, and what u leaves.

    `mass` is float64, shape (rows, k); `u` has shape (rows,), in [0, 1]. The second result, in
    [0, 1], is uniform given the first. The mass at the index is positive whatever the rounding: the
    target is below the total, and the sum rises at the index.

    Raises `FloatingPointError` for a total that is not a positive number.
    """
    sums = mass.cumsum(-1)
    total = sums[:, -1]
    if not bool(((total > 0) & (total < torch.inf)).all()):
        raise filters.not_finite()
    target = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))[:, None]
    index = torch.searchsorted(sums, target, right=True)
    above = sums.gather(1, index)
    before = torch.where(index > 0, sums.gather(1, (index - 1).clamp(min=0)), 0.0)
    rest = ((target - before) / (above - before)).clamp(0.0, 1.0)
    return index[:, 0], rest[:, 0]


def stop_table(texts: Sequence[str], stops: Sequence[str]) -> torch.Tensor:
    """Which tokens can complete a stop string, bool, shape (vocabulary,), from the tokens' texts.

    A token can complete a stop string only if it contains the string's last character. Tokens that
    are parts of a character decode to U+FFFD and may contain anything. Some decoders drop a space
    at the start of a token, so for a stop string that ends in a space every token counts.
    """
    ends = {stop[-1] for stop in stops}
    if " " in ends:
        return torch.ones(len(texts), dtype=torch.bool)
    ends.add("\ufffd")
    return torch.tensor([any(end in text for end in ends) for text in texts], dtype=torch.bool)
