"""The next token of many rows at once, with a separate noise stream per row.

Sampling is Gumbel-max: argmax(logits / temperature + noise) has exactly the softmax distribution if
the noise is standard Gumbel. The noise is a function of (row key, step, token) only, computed with
SplitMix64 (Steele, Lea & Flood 2014), so it does not depend on the batch, the order of rows or the
progress of other rows.
"""

from collections.abc import Sequence

import torch

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _mix(words: torch.Tensor) -> torch.Tensor:
    """The finalizer of SplitMix64, in place, on int64 interpreted as unsigned."""
    words ^= (words >> 30) & ((1 << 34) - 1)
    words *= _signed(_MIX_1)
    words ^= (words >> 27) & ((1 << 37) - 1)
    words *= _signed(_MIX_2)
    words ^= (words >> 31) & ((1 << 33) - 1)
    return words


def gumbel(keys: torch.Tensor, steps: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel noise, float32, shape (rows, vocabulary).

    `keys` and `steps` are int64 of shape (rows,).
    """
    golden = _signed(_GOLDEN)
    # Two rounds, so that rows with similar keys or steps do not get overlapping counters.
    starts = _mix(_mix(keys.clone()) + (steps + 1) * golden)
    tokens = torch.arange(1, vocabulary + 1, device=keys.device) * golden
    words = _mix(starts[:, None] + tokens)
    # 24 bits, the width of a float32 mantissa, as the middle of 2^24 equal cells of (0, 1).
    uniform = ((words >> 40) & 0xFFFFFF).to(torch.float32).add_(0.5).mul_(2.0**-24)
    # Computed from the complement: float32 represents its small values, which give large noise.
    return uniform.neg_().log1p_().neg_().log_().neg_()


def restrict(logits: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Logits with -inf outside each row's top_k tokens and, of those, outside its top_p nucleus.

    `logits` have shape (rows, vocabulary), at the final temperature; `top_k` and `top_p` have shape
    (rows,), and `top_k` 0 keeps all. The nucleus is the smallest set of most likely tokens whose
    mass, renormalized after top_k, is at least top_p (Holtzman et al. 2020, section 3.1). Equal
    logits rank by token id.
    """
    ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    rank = torch.arange(logits.shape[-1], device=logits.device)
    limit = torch.where(top_k > 0, top_k, logits.shape[-1])
    ordered = ordered.masked_fill(rank >= limit[:, None], -torch.inf)
    mass = torch.softmax(ordered, dim=-1, dtype=torch.float64)
    before = mass.cumsum(dim=-1) - mass
    # The top token always stays; a nucleus of 1 keeps even tokens that rounding puts beyond it.
    dropped = (before >= top_p[:, None]) & (rank > 0) & (top_p < 1)[:, None]
    ordered = ordered.masked_fill(dropped, -torch.inf)
    return torch.empty_like(logits).scatter_(-1, order, ordered)


def choose(
    logits: torch.Tensor,
    temperature: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    keys: torch.Tensor,
    steps: torch.Tensor,
) -> torch.Tensor:
    """One token id per row, int64, shape (rows,), from float32 `logits`, shape (rows, vocabulary).

    The other arguments have shape (rows,). Temperature 0 is greedy.
    """
    greedy = temperature == 0
    if bool(greedy.all()):
        return logits.argmax(dim=-1)
    scaled = logits / torch.where(greedy, 1.0, temperature)[:, None]
    some = ((top_k > 0) | (top_p < 1)) & ~greedy
    if bool(some.any()):
        scaled[some] = restrict(scaled[some], top_k[some], top_p[some])
    noise = gumbel(keys, steps, logits.shape[-1])
    noise[greedy] = 0
    return (scaled + noise).argmax(dim=-1)


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
