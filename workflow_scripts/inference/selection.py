"""The likeliest tokens of many rows, found by blocks of the vocabulary, most of which hold none."""

import torch

BLOCK = 128  # tokens
SMALL = 2048  # vocabulary up to which a search by blocks saves nothing
LAST, WORD = (1 << 31) - 1, (1 << 32) - 1


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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows, token ids and values, shape (tokens,) each, of the values of at least `least`, (rows,).

    They are in order of row and id. `values` have shape (rows, vocabulary), their `peaks` by block
    (rows, blocks). `least` > -inf.
    """
    size = values.shape[1]
    if size <= SMALL:
        row, ids = (values >= least[:, None]).nonzero(as_tuple=True)
        return row, ids, values[row, ids]
    found = where_set((peaks >= least[:, None]).flatten())
    row = found.div(peaks.shape[1], rounding_mode="floor")
    block = found - row * peaks.shape[1]
    if size % BLOCK == 0:
        inside = values.reshape(-1, BLOCK).index_select(0, found)
    else:
        every = block[:, None] * BLOCK + torch.arange(BLOCK, device=block.device)
        inside = values[row[:, None], every.clamp(max=size - 1)]
        inside.masked_fill_(every >= size, -torch.inf)
    place = where_set((inside >= least[row][:, None]).flatten())
    pair = place >> BLOCK.bit_length() - 1
    return row[pair], block[pair] * BLOCK + (place & BLOCK - 1), inside.view(-1)[place]


def where_set(flags: torch.Tensor) -> torch.Tensor:
    """Indices of the true `flags`, shape (n,). Where few are true, `nonzero` takes longer."""
    whole = len(flags) // 8 * 8
    octet = flags[:whole].view(torch.int64).nonzero()[:, 0]
    within = flags[:whole].view(-1, 8).index_select(0, octet).flatten().nonzero()[:, 0]
    found = octet[within >> 3] * 8 + (within & 7)
    if whole == len(flags):
        return found
    return torch.cat([found, whole + flags[whole:].nonzero()[:, 0]])


def by_rank(
    row: torch.Tensor, ids: torch.Tensor, values: torch.Tensor, empty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and `values`, shape (rows, k), each row's from high to low, equal ones by id.

    The arguments have shape (tokens,), `values` are float32; `row` ascends and names every row. k
    is the largest number of tokens in a row; other rows end in places with id 0 and the value
    `empty`.
    """
    # Row, value from high to low, id: rows x vocabulary is about `CHUNK`, so 63 bits are enough.
    bits = (values + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    ascending = (bits ^ ((bits >> 31) & LAST)).long()
    width = int(ids.max()).bit_length()
    keys = ((((row << 32) + LAST - ascending) << width) | ids).sort().values
    ascending = (LAST - ((keys >> width) & WORD)).int()
    counts = torch.bincount(row)
    most = int(counts.max())
    place = torch.arange(len(row), device=row.device) + (
        torch.arange(len(counts), device=row.device) * most - (counts.cumsum(0) - counts)
    ).repeat_interleave(counts)
    ranked_ids = torch.zeros(len(counts) * most, dtype=ids.dtype, device=row.device)
    ranked_ids[place] = keys & ((1 << width) - 1)
    ranked = torch.full((len(counts) * most,), empty, dtype=values.dtype, device=row.device)
    ranked[place] = (ascending ^ ((ascending >> 31) & LAST)).view(torch.float32)
    return ranked_ids.view(-1, most), ranked.view(-1, most)
