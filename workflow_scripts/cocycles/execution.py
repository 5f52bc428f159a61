"""Asynchronous execution over finite monoids, by simulation and without equations.

A node receives messages one after another. The network may multiply neighbours in the queue into
one message before delivery, or deliver the unit. Every such grouping is simulated to see whether
the result depends on it. This module does not use the definition of a cocycle.
"""

from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.cocycles.monoids import Monoid, Table

Word = tuple[int, ...]
Flags = NDArray[np.bool_]


def all_words(letters: int, longest: int) -> Iterator[Word]:
    """Every word of at most `longest` letters, the empty one first."""
    for length in range(longest + 1):
        yield from product(range(letters), repeat=length)


def groupings(word: Word) -> Iterator[tuple[Word, ...]]:
    """Every partition of a word into consecutive blocks; of the empty word: none, or one empty."""
    if not word:
        yield from ((), ((),))
        return
    for cuts in product((False, True), repeat=len(word) - 1):
        blocks: list[Word] = [word[:1]]
        for letter, cut in zip(word[1:], cuts, strict=True):
            if cut:
                blocks.append((letter,))
            else:
                blocks[-1] += (letter,)
        yield tuple(blocks)


def run_node(
    act: Table, arguments: Monoid, batch: Table, state: int, received: Word
) -> tuple[int, Table]:
    """End state and the sum of what R argument functions emit, shape (R,), message by message.

    `batch` has shape (R, |M|, |S|), `act` (|M|, |S|).
    """
    emitted = np.zeros(len(batch), dtype=np.int64)
    for message in received:
        emitted = arguments.table[batch[:, message, state], emitted]
        state = int(act[message, state])
    return state, emitted


def node_ignores_grouping(
    messages: Monoid, act: Table, arguments: Monoid, batch: Table, words: Iterable[Word]
) -> Flags:
    """For each argument function of `batch`: no grouping of the words changes what is emitted.

    `batch` has shape (R, |M|, |S|), `act` (|M|, |S|), the result (R,).
    """
    good = np.ones(len(batch), dtype=bool)
    for word in words:
        for state in range(act.shape[1]):
            ends = [
                run_node(act, arguments, batch, state, tuple(map(messages.product, blocks)))
                for blocks in groupings(word)
            ]
            for end, emitted in ends[1:]:
                good &= (emitted == ends[0][1]) & (end == ends[0][0])
    return good


def edge_ignores_grouping(arguments: Monoid, messages: Monoid, batch: Table, longest: int) -> Flags:
    """For each ψ of `batch` (P, |A|): no grouping of its arguments changes the messages; (P,).

    The groupings include one call of ψ on the sum of all arguments, as in a synchronous network.
    """
    good = np.ones(len(batch), dtype=bool)
    for word in all_words(arguments.size, longest):
        ends = []
        for blocks in groupings(word):
            sent = np.zeros(len(batch), dtype=np.int64)
            for block in blocks:
                sent = messages.table[batch[:, arguments.product(block)], sent]
            ends.append(sent)
        for sent in ends[1:]:
            good &= sent == ends[0]
    return good


def interleavings(first: Word, second: Word) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every order in which two streams can arrive, as (input, letter)."""
    if not first or not second:
        yield tuple((0, a) for a in first) + tuple((1, b) for b in second)
        return
    for rest in interleavings(first[1:], second):
        yield ((0, first[0]), *rest)
    for rest in interleavings(first, second[1:]):
        yield ((1, second[0]), *rest)


def edge_ignores_interleaving(
    first: Monoid, second: Monoid, messages: Monoid, batch: Table, longest: int
) -> Flags:
    """For each two-input ψ of `batch` (P, |A|, |B|): chunks in any order equal one call; (P,).

    An edge that receives a chunk at one input invokes ψ on the chunk and on everything that the
    other input has received.
    """
    good = np.ones(len(batch), dtype=bool)
    for left in all_words(first.size, longest):
        for right in all_words(second.size, longest):
            once = batch[:, first.product(left), second.product(right)]
            for order in interleavings(left, right):
                held = [0, 0]
                sent = np.zeros(len(batch), dtype=np.int64)
                for place, letter in order:
                    pair = (letter, held[1]) if place == 0 else (held[0], letter)
                    sent = messages.table[batch[:, pair[0], pair[1]], sent]
                    side = first if place == 0 else second
                    held[place] = int(side.table[letter, held[place]])
                good &= sent == once
    return good


def add_with_carries(
    digits: list[int], numbers: list[list[int]], base: int, rng: np.random.Generator
) -> list[int]:
    """Add to the digits of a number by messages, in random order, until none is in transit.

    Node i holds a digit (least significant first) and receives each entry of `numbers[i]` as a
    message; the carries that it emits are a message to node i+1. Messages waiting for one node may
    be summed before delivery. Returns the digits, followed by the carries of the last one.
    """
    waiting = [list(part) for part in numbers]
    state, overflow = list(digits), 0
    while places := [i for i, queue in enumerate(waiting) if queue]:
        place = int(rng.choice(places))
        queue = waiting[place]
        rng.shuffle(queue)
        taken = int(rng.integers(1, len(queue) + 1))
        message = sum(queue[:taken])
        del queue[:taken]
        emitted, state[place] = divmod(message + state[place], base)
        if emitted and place + 1 < len(state):
            waiting[place + 1].append(emitted)
        elif emitted:
            overflow += emitted
    return [*state, overflow]
