"""Which tokens top_k and top_p keep, and their masses: the same for a draw and for its law.

For top_k and top_p, only tokens above a threshold are sorted, and only blocks whose maximum reaches
it are searched (`selection`). Which threshold is tried changes no token.
"""

from collections.abc import Iterator

import torch

from workflow_scripts.inference.selection import by_block, by_rank, reaching, where_set

# Shares of the mass outside a nucleus, with which tokens are tried for a place in it; 0 tries all.
SHARES = (2.0**-6, 2.0**-10, 2.0**-14, 0.0)
MARGIN = 1 + 1e-9  # for sums in another order
LOWEST = torch.finfo(torch.float32).min


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
    ids, ranked = by_rank(*reaching(logits, peaks, least.clamp(min=LOWEST)), -torch.inf)
    values = ranked.double()
    mass = ((values - values[:, :1]) / heat[:, None]).exp()
    rank = torch.arange(ids.shape[1], device=ids.device)
    mass = mass.masked_fill(rank >= top_k[:, None], 0.0)
    return ids, _cut(mass, top_p, mass.cumsum(-1)[:, -1])


def of_nucleus(
    mass: torch.Tensor, sums: torch.Tensor, peaks: torch.Tensor, top_p: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Numbers of some rows, and as for `of_top_k` the token ids that top_p keeps in each of them.

    `mass` are the `probabilities`, shape (rows, vocabulary); their `sums`, float64, and `peaks` by
    block have shape (rows, blocks), `top_p` shape (rows,). Every row comes once. Rows with small
    nuclei come first, with fewer tokens. Raises `FloatingPointError` for NaN among the masses.
    """
    total = sums.cumsum(-1)[:, -1]
    if not bool(total.isfinite().all()):
        raise not_finite()
    goal = top_p * total
    left = torch.ones_like(goal, dtype=torch.bool)
    for share in SHARES:
        # At a share of 1 / vocabulary, the tokens below have less mass together than the nucleus
        # leaves out, so those above hold the nucleus. A larger share often does, with fewer tokens.
        least = ((total - goal) * share).float().clamp(min=torch.finfo(mass.dtype).tiny)
        row, ids, found = reaching(mass, peaks, torch.where(left, least, torch.inf))
        reached = torch.zeros_like(goal).index_add_(0, row, found.double()) > goal * MARGIN
        done = left & reached if share else left
        number = done.nonzero()[:, 0]
        if len(number):
            if len(number) < int(left.sum()):
                use = where_set(done[row])
                row, ids, found = row[use], ids[use], found[use]
            ids, ranked = by_rank((done.cumsum(0) - 1)[row], ids, found, 0.0)
            yield number, ids, _cut(ranked.double(), top_p[number], total[number])
            left = left & ~done
        if not bool(left.any()):
            break


def probabilities(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Softmax of logits / heat, float32, shape (rows, vocabulary); torch computes it row by row."""
    scaled = logits if bool((heat == 1).all()) else logits / heat[:, None].float()
    return torch.softmax(scaled, dim=-1)


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
