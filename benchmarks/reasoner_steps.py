"""Training steps of reasoners and of the decoders that read them, against the plain formulas.

    python benchmarks/reasoner_steps.py [--nodes 16] [--rounds 5]

Ours leaves out what no result depends on: messages of single pairs where their sum or maximum is
known without them, and the last block of a decoder where no logits are read. The plain way computes
every message and every place, and takes gradients of maxima as torch does. Process time, one
thread.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import comparison
import scaling_work as work
import torch
from torch import Tensor

from workflow_scripts.clrs import decoders, processors
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.cocycles import processors as asynchronous
from workflow_scripts.shared import job


def every_message(self: Any, z: Tensor, edges: Any, graph: Tensor) -> Tensor:
    return self.aggregate(self.message(z, z, edges, graph))


def every_sum(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, :, :, None] + second[:, :, None]).amax(1)


def every_logit(heads: Any, latent: Any) -> Tensor:
    pointer, target, edge, last = heads
    pairs = latent.edges.through(edge) + target(latent.nodes)[:, :, None]
    if (messages := decoders._messages(edge, latent)) is not None:
        pairs = pairs + messages
    return last(torch.maximum(pointer(latent.nodes)[:, :, None], pairs.transpose(1, 2)))[..., 0]


def over_senders(values: Tensor) -> Tensor:
    return values.amax(1)


@contextmanager
def plainly() -> Iterator[None]:
    from workflow_scripts.transnar.last_block import LastBlock

    everywhere = property(lambda _: 0, lambda *_: None)
    with ExitStack() as stack:
        for place, name, plain in (
            (asynchronous.SumPhi, "arrived", every_message),
            (asynchronous.Maximum, "arrived", every_message),
            (asynchronous, "maximum", over_senders),
            (processors, "maximum", over_senders),
            (processors, "max_plus", every_sum),
            (decoders, "_pointed", every_logit),
            (LastBlock, "places", everywhere),
        ):
            stack.enter_context(mock.patch.object(place, name, plain))
        yield


def main(arguments: argparse.Namespace) -> None:
    job.set_threads(1)

    def reasoner(factory: Any, own: Any) -> Callable[[], Any]:
        return work.reasoner_steps(arguments.nodes, factory, own)

    config = work.CONFIG
    own, others = config["cocycles"]["training"], config["clrs"]["train"]
    cases: dict[str, Callable[[], Any]] = {
        f"cocycles, {name}": partial(reasoner, asynchronous.PROCESSORS[name], own)
        for name in ("l1", "l2", "l3")
    }
    cases["clrs, triplet_gmpnn"] = partial(reasoner, PROCESSORS["triplet_gmpnn"], others)
    cases["transnar, decoder"] = partial(work.transnar_train, arguments.text_nodes)
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        work.make_graphs(Path())
        for case, prepare in cases.items():
            ours, plain = prepare(), prepare()

            def in_full(call: Callable[[], Any] = plain) -> None:
                with plainly():
                    call()

            taken = comparison.in_turns({"ours": ours, "plain": in_full}, arguments.rounds)
            found += comparison.rows(case, taken)
    comparison.report("reasoner_steps", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--text-nodes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args())
