"""Which tokens top_k and top_p keep, and their masses: the same for a draw and for its law.

For top_k and top_p, only tokens above a threshold are sorted, and only blocks whose maximum reaches
it are searched. Which threshold is tried changes no token.
"""

from collections.abc import Iterator

import torch

BLOCK = 128  # tokens
# Shares of the mass outside a nucleus, with which tokens are tried for a place in it; 0 tries all.
SHARES = (2.0**-6, 2.0**-10, 2.0**-14, 0.0)
MARGIN = 1 + 1e-9  # for sums in another order
SMALL = 2048  # vocabulary up to which a search by blocks saves nothing
LAST = (1 << 31) - 1


def of_top_k(
    logits: torch.Tensor, heat: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids that top_k and then top_p keep, and their masses, shape (rows, k) each.

    `logits` are float32, shape (rows, vocabulary); the others have shape (rows,), and `top_k` is at
    least 1. Each row is in the order of its logits, and has mass 0 after its last token. Raises
    `FloatingPointError` for NaN or +inf among the logits.
    """
    peaks = by_block(logits, "amax")
    if not bool(peaks.amax(-1).isfinite().all()):
        raise not_finite()
    # As many tokens as there are peaks reach the smallest peak among the k largest.
    most = int(top_k.max())
    among = peaks if most <= peaks.shape[1] else logits
    least = among.topk(most).values.gather(1, top_k[:, None] - 1)[:, 0]
    row, ids = reaching(logits, peaks, least.clamp(min=torch.finfo(logits.dtype).min))
    found = logits[row, ids]
    ids, values = by_rank(row, ids, found, found.double(), -torch.inf)
    mass = ((values - values[:, :1]) / heat[:, None]).exp()
    rank = torch.arange(ids.shape[1], device=ids.device)
    mass = mass.masked_fill(rank >= top_k[:, None], 0.0)
    return ids, _cut(mass, top_p, mass.cumsum(-1)[:, -1])


def of_nucleus(
    logits: torch.Tensor, heat: torch.Tensor, top_p: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Numbers of some rows, and as for `of_top_k` the token ids that top_p keeps in each of them.

    Every row comes once. Rows with small nuclei come first, with fewer tokens.
    """
    every = probabilities(logits, heat)
    total = by_block(every, "sum").double().cumsum(-1)[:, -1]
    if not bool(total.isfinite().all()):
        raise not_finite()
    peaks = by_block(every, "amax")
    goal = top_p * total
    left = torch.ones_like(goal, dtype=torch.bool)
    for share in SHARES:
        # At a share of 1 / vocabulary, the tokens below have less mass together than the nucleus
        # leaves out, so those above hold the nucleus. A larger share often does, with fewer tokens.
        least = ((total - goal) * share).float().clamp(min=torch.finfo(every.dtype).tiny)
        row, ids = reaching(every, peaks, torch.where(left, least, torch.inf))
        mass = every[row, ids].double()
        reached = torch.zeros_like(goal).index_add_(0, row, mass) > goal * MARGIN
        done = left & reached if share else left
        number = done.nonzero()[:, 0]
        if len(number):
            use = done[row]
            row, ids, mass = (done.cumsum(0) - 1)[row[use]], ids[use], mass[use]
            ids, mass = by_rank(row, ids, logits[number[row], ids], mass, 0.0)
            yield number, ids, _cut(mass, top_p[number], total[number])
            left = left & ~done
        if not bool(left.any()):
            break


def probabilities(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Softmax of logits / heat, float32; torch computes it row by row."""
    scaled = logits if bool((heat == 1).all()) else logits / heat[:, None].float()
    return torch.softmax(scaled, dim=-1)


def by_block(values: torch.Tensor, how: str) -> torch.Tensor:
    """The sum or maximum ("amax") of each block, shape (rows, blocks); the last may be shorter."""
    full = values.shape[-1] // BLOCK * BLOCK
    parts = []
    if full:
        parts.append(getattr(values[:, :full].unflatten(1, (-1, BLOCK)), how)(-1))
    if full < values.shape[-1]:
        parts.append(getattr(values[:, full:], how)(-1, keepdim=True))
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


def inside(
    values: torch.Tensor, blocks: torch.Tensor, beyond: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids of `blocks`, shape (rows, k), and their values, shape (rows, k BLOCK) each.

    Ids beyond the vocabulary have the value `beyond`.
    """
    size = values.shape[-1]
    width = min(BLOCK, size)
    ids = (blocks[:, :, None] * BLOCK + torch.arange(width, device=blocks.device)).flatten(1)
    if size % width == 0:
        return ids, values.gather(1, ids)
    found = values.gather(1, ids.clamp(max=size - 1))
    return ids, found.masked_fill_(ids >= size, beyond)


def reaching(
    values: torch.Tensor, peaks: torch.Tensor, least: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and token ids of the values of at least `least`, (rows,), in order of row and id.

    `values` have shape (rows, vocabulary), their `peaks` by block (rows, blocks). `least` > -inf.
    """
    size = values.shape[1]
    if size <= SMALL:
        row, ids = (values >= least[:, None]).nonzero(as_tuple=True)
        return row, ids
    row, block = (peaks >= least[:, None]).nonzero(as_tuple=True)
    if size % BLOCK == 0:
        held = values.reshape(-1, BLOCK).index_select(0, row * peaks.shape[1] + block)
    else:
        every = block[:, None] * BLOCK + torch.arange(BLOCK, device=block.device)
        held = values[row[:, None], every.clamp(max=size - 1)]
        held.masked_fill_(every >= size, -torch.inf)
    pair, place = (held >= least[row][:, None]).nonzero(as_tuple=True)
    return row[pair], block[pair] * BLOCK + place


def by_rank(
    row: torch.Tensor, ids: torch.Tensor, logits: torch.Tensor, values: torch.Tensor, empty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their `values`, shape (rows, k), each row's in the order of its logits.

    The arguments have shape (tokens,); `row` ascends and names every row. k is the largest number
    of tokens in a row; other rows end in places with id 0 and the value `empty`.
    """
    # Row, logit from high to low, id: rows x vocabulary is about `CHUNK`, so 63 bits are enough.
    bits = (logits + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    ascending = (bits ^ ((bits >> 31) & LAST)).long()
    width = int(ids.max()).bit_length()
    keys = (((row << 32) + LAST - ascending) << width) | ids
    rank = keys.sort().indices
    counts = torch.bincount(row)
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    shape = (len(counts), int(counts.max()))
    ranked_ids = torch.zeros(shape, dtype=ids.dtype, device=row.device)
    ranked_ids[row, place] = ids[rank]
    ranked = torch.full(shape, empty, dtype=values.dtype, device=row.device)
    ranked[row, place] = values[rank]
    return ranked_ids, ranked


def _cut(mass: torch.Tensor, top_p: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """`mass`, shape (rows, k), in descending order, with 0 outside the top_p nucleus."""
    before = mass.cumsum(-1) - mass
    dropped = (before >= (top_p * total)[:, None]) & (top_p < 1)[:, None]
    dropped[:, 0] = False  # the likeliest token always stays
    return mass.masked_fill(dropped, 0.0)


def not_finite() -> FloatingPointError:
    """The error for logits that are NaN or +inf."""
    return FloatingPointError(
        "expected finite logits, found NaN or +inf; give the model dtype float32 or bfloat16"
    )
