"""The neural algorithmic reasoner: encode, process, decode, once per step of an algorithm.

Ibarz et al. (2022), "A generalist neural algorithmic learner", as in their code
(`clrs/_src/nets.py`). The soft hints that a step predicts are inputs of the next step, in training
and in testing. Each sample's outputs are decoded at its own last step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from workflow_scripts.clrs import decoders
from workflow_scripts.clrs.decoders import Decoders, Latent
from workflow_scripts.clrs.features import Columns, EdgeMap, Edges, Encoders, adjacency
from workflow_scripts.clrs.processors import Factory
from workflow_scripts.clrs.specs import Location, Spec, Stage
from workflow_scripts.clrs.trajectories import Batch

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Predictions:
    """Predictions of some message steps of a batch.

    `hints` has one entry per step: step t predicts hint t + 1 of the first `running[t]` samples,
    shape (running[t], ...). `outputs` are those of the samples `finished`, whose last step is one
    of these.
    """

    first_step: int
    hints: list[Tensors]
    outputs: Tensors
    finished: slice


class Reasoner(nn.Module):
    """Encoders and decoders for each algorithm around one shared processor.

    `specs` maps algorithms to their specs (of `specs.for_reasoner`). `processor` builds a processor
    of a given width; see `processors.py` for its interface.
    """

    def __init__(
        self,
        specs: Mapping[str, Spec],
        width: int,
        processor: Factory,
        inverted_pointers: bool = False,
    ) -> None:
        super().__init__()
        self.specs, self.width, self.inverted_pointers = dict(specs), width, inverted_pointers
        self.processor = processor(width)
        self.encoders = nn.ModuleDict(
            {name: Encoders(spec, width, inverted_pointers) for name, spec in specs.items()}
        )
        messages = bool(self.processor.edge_messages)
        self.decoders = nn.ModuleDict(
            {name: Decoders(spec, width, messages) for name, spec in specs.items()}
        )

    def forward(self, batch: Batch, noise: torch.Generator | None = None) -> Predictions:
        """Predictions of all steps of a batch of B samples.

        `noise` as for `Decoders.forward`, in training only.
        """
        return next(self.chunks(batch, noise=noise))

    @torch.inference_mode()
    def predict(self, batch: Batch) -> Tensors:
        """Outputs as they are scored (`decoders.hard`), shape (B, ...) each, in batch order."""
        spec = self.specs[batch.algorithm]
        return decoders.harden(spec, self(batch).outputs)

    def latents(self, batch: Batch) -> Iterator[Latent]:
        """The latent state after every step, with edge messages if the processor has any.

        Finished samples leave the batch, the shortest (last) first, so B decreases.
        """
        for latent, _, _ in self._steps(batch, always_messages=True):
            yield latent

    def chunks(
        self, batch: Batch, length: int | None = None, noise: torch.Generator | None = None
    ) -> Iterator[Predictions]:
        """Predictions in chunks of `length` steps; gradients do not cross from chunk to chunk.

        If the caller runs backward on each chunk before it asks for the next, memory holds only one
        chunk of a long trajectory. Predictions do not depend on `length`.
        """
        decoder = cast(Decoders, self.decoders[batch.algorithm])
        steps = message_steps(batch)
        length = length or steps
        hints: list[Tensors] = []
        done: list[Latent] = []
        stop = len(batch.lengths)
        start = 0
        for step, (latent, hint, last) in enumerate(self._steps(batch, cut_every=length)):
            hints.append(hint)
            if last.start < last.stop:
                done.append(latent.rows(last))
            if step + 1 in (start + length, steps):
                outputs = decoder(Stage.OUTPUT, decoders.join(done[::-1]), noise) if done else {}
                finished = slice(last.start, stop)
                yield Predictions(start, hints, outputs, finished)
                hints, done, stop, start = [], [], last.start, step + 1

    def _steps(
        self, batch: Batch, cut_every: int | None = None, always_messages: bool = False
    ) -> Iterator[tuple[Latent, Tensors, slice]]:
        """For each step: latent state, predicted hints, and the samples whose last step it is.

        Shapes start with the number of samples that the step still processes.
        """
        encoder = cast(Encoders, self.encoders[batch.algorithm])
        decoder = cast(Decoders, self.decoders[batch.algorithm])
        features = encoder.features
        by_name = {feature.name: feature for feature in features[Stage.HINT]}
        running = [*still_running(batch), 0]
        inputs = encoder.columns(Stage.INPUT, batch.inputs)
        maps = encoder.maps()
        data = {name: values[0] for name, values in batch.hints.items()}
        hidden = batch.inputs["pos"].new_zeros(len(batch.lengths), batch.nodes, self.width)
        graph_of_inputs = None
        if self.processor.sparse:
            loops = torch.eye(batch.nodes, device=hidden.device).expand(len(hidden), -1, -1)
            graph_of_inputs = adjacency(loops, features[Stage.INPUT], batch.inputs)
        hints_read_edges = decoder.reads_edges(Stage.HINT)
        outputs_read_edges = decoder.reads_edges(Stage.OUTPUT)
        for step in range(message_steps(batch)):
            if cut_every and step and step % cut_every == 0:
                hidden = hidden.detach()
                data = {name: values.detach() for name, values in data.items()}
                maps = encoder.maps()
            count, left = running[step], running[step + 1]
            hidden = hidden[:count]
            inputs = {location: values[:count] for location, values in inputs.items()}
            data = {name: values[:count] for name, values in data.items()}
            columns = encoder.columns(Stage.HINT, data)
            nodes, edges, graph = self._encode(inputs, columns, maps, hidden)
            near = None
            if graph_of_inputs is not None:
                near = adjacency(graph_of_inputs[:count], features[Stage.HINT], data)
            want = always_messages or hints_read_edges or (outputs_read_edges and left < count)
            new, messages = self.processor(nodes, edges, graph, hidden, near, want)
            latent = Latent(torch.cat([nodes, hidden, new], -1), edges, messages, graph)
            hint = decoder(Stage.HINT, latent)
            yield latent, hint, slice(left, count)
            hidden = new
            data = {name: decoders.soft(by_name[name], value) for name, value in hint.items()}

    def _encode(
        self, inputs: Columns, hints: Columns, maps: dict[Location, EdgeMap], hidden: Tensor
    ) -> tuple[Tensor, Edges, Tensor]:
        """Latent nodes (B, N, W), edges, and graph (B, W)."""
        batch, nodes, _ = hidden.shape
        shapes = {
            Location.NODE: (batch, nodes),
            Location.EDGE: (batch, nodes, nodes),
            Location.GRAPH: (batch,),
        }
        found = {}
        for location, shape in shapes.items():
            parts = [part[location] for part in (inputs, hints) if location in part]
            values = torch.cat(parts, -1) if parts else hidden.new_zeros(*shape, 0)
            found[location] = Edges(values, maps[location])
        return (
            found[Location.NODE].dense(),
            found[Location.EDGE],
            found[Location.GRAPH].dense(),
        )


def message_steps(batch: Batch) -> int:
    """Message steps of a batch: the hints of its longest trajectory minus one, at least 1."""
    return max(1, int(batch.lengths.max()) - 1)


def still_running(batch: Batch) -> list[int]:
    """The number of samples, the longest first, that each message step still processes."""
    counts = [int((batch.lengths > step + 1).sum()) for step in range(message_steps(batch))]
    return [len(batch.lengths), *counts[1:]]
