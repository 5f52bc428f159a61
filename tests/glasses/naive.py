"""The paper's decoder token by token in NumPy, as a reference for the fast implementation."""

import numpy as np

from workflow_scripts.glasses.random_decoders import Attention


def norm(x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def sinusoid(position, width):
    found = np.empty(width)
    for pair in range(width // 2):
        angle = position / 10000 ** (2 * pair / width)
        found[2 * pair], found[2 * pair + 1] = np.sin(angle), np.cos(angle)
    return found


def turned(x, position):
    """Rotary encoding as multiplication of complex numbers by a phase."""
    width = len(x)
    pairs = x[0::2] + 1j * x[1::2]
    pairs = pairs * np.exp(1j * position / 10000 ** (2 * np.arange(width // 2) / width))
    found = np.empty(width)
    found[0::2], found[1::2] = pairs.real, pairs.imag
    return found


def attend(queries, keys, values, how: Attention):
    """One causal head over lists of vectors; what each token attends to."""
    width = len(queries[0])
    found = []
    for i, query in enumerate(queries):
        first = 0 if how.window is None else max(0, i - how.window + 1)
        scores = {}
        for j in range(first, i + 1):
            q, k = query, keys[j]
            if how.encoding == "rotary":
                q, k = turned(q, i), turned(k, j)
            score = q @ k / np.sqrt(width)
            if how.encoding == "alibi":
                score -= how.slope * (i - j)
            scores[j] = np.exp(score)
        if how.sink and 0 in scores and len(scores) > 1:
            scores[0] = sum(value for j, value in scores.items() if j)
        total = sum(scores.values())
        found.append(sum(weight / total * values[j] for j, weight in scores.items()))
    return found


def decode(weights, seed, tokens, layers, how: Attention):
    """Normalised representations (n, d) of one seed's tokens (n, d) after `layers` layers."""
    states = [token.copy() for token in tokens]
    if how.encoding == "sinusoidal":
        states = [state + sinusoid(i, len(state)) for i, state in enumerate(states)]
    for layer in range(layers):
        query, key, value, inner, outer = (matrix[layer, seed].numpy() for matrix in weights)
        hidden = [norm(state) for state in states]
        mixed = attend([h @ query for h in hidden], [h @ key for h in hidden],
                       [h @ value for h in hidden], how)  # fmt: skip
        states = [m + s for m, s in zip(mixed, states, strict=True)]
        states = [np.maximum(norm(s) @ inner, 0) @ outer + s for s in states]
    return np.array([norm(state) for state in states])
