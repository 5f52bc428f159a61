"""The text model, a transformers decoder, and TransNAR's gated cross-attention.

After every block, tokens attend to the embeddings of the reasoner's nodes and, separately, of its
edges. Both results are merged (`merges.py`), passed through an MLP, and added with a gate tanh(a).
The graph never attends to the text. Paper: section 3; the gate has the form of Flamingo's (Alayrac
et al. 2022).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from workflow_scripts.transnar import merges, tokens

STREAMS = ("nodes", "edges")
TIED = "decoder.lm_head.weight"  # the embedding
PLACES = ("row_label", "column_label", "row_index", "column_index")
NODE_PLACES = tuple(
    f"{name}_{kind}" for name in ("node", "sender", "receiver") for kind in ("label", "index")
)


@dataclass(frozen=True)
class Shape:
    """The settings that determine the parameters. `reasoner_width` 0: a model of text alone."""

    width: int
    layers: int
    heads: int
    mlp: int  # hidden units of a block's gated MLP
    position_range: int  # positions are drawn below this, unless they are plain
    labels: int  # of rows, columns and nodes; 0: no structural positions
    reasoner_width: int
    streams: tuple[str, ...] = STREAMS
    gate: float = 0.0  # initial a of the gate tanh(a); 0 is closed
    merge: str = "concat"  # one of `merges.MERGES`
    plain_positions: bool = False  # 0, 1, 2, … from the first token on


@dataclass(frozen=True)
class Text:
    """B rows of T tokens, all int64. Shapes are (B, T) except for `labels` and `indices`.

    `labels` (B, T, 2) belong to a token's row and column. `indices` (B, T, 2) count from 1 in a
    prompt and are 0 in an answer. `attended` is 0 at padding.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    indices: Tensor
    attended: Tensor

    def to(self, device: str | torch.device) -> "Text":
        """The rows on a device; shapes stay the same."""
        return Text(*(part.to(device) for part in vars(self).values()))

    def rows(self, which: slice) -> "Text":
        """Some of the rows, without the columns on the left that are padding in all of them."""
        kept = slice(int(self.attended[which].argmax(1).min()), None)
        return Text(*(part[which, kept] for part in vars(self).values()))


@dataclass(frozen=True)
class Graph:
    """Embeddings of the reasoner: nodes (B, N, W), edges (B, N, N, W), node labels (B, N)."""

    nodes: Tensor
    edges: Tensor
    labels: Tensor

    def rows(self, which: slice) -> "Graph":
        """The embeddings of some of the samples."""
        return Graph(self.nodes[which], self.edges[which], self.labels[which])


class Coupling(nn.Module):
    """One gated cross-attention over nodes and edges."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, source = shape.width, shape.reasoner_width
        self.heads, self.streams, self.how = shape.heads, shape.streams, shape.merge
        self.norm = nn.LayerNorm(width)
        self.query = nn.ModuleDict({s: nn.Linear(width, width, bias=False) for s in STREAMS})
        self.key = nn.ModuleDict({s: nn.Linear(source, width, bias=False) for s in STREAMS})
        self.value = nn.ModuleDict({s: nn.Linear(source, width, bias=False) for s in STREAMS})
        self.merge = merges.layer(shape.merge, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.gate = nn.Parameter(torch.full((), float(shape.gate)))

    def forward(self, hidden: Tensor, sources: dict[str, Tensor]) -> Tensor:
        """New hidden states (B, T, D) from `hidden` of that shape.

        `sources` maps each stream that is attended to, to its K embeddings, shape (B, K, W).
        """
        normed = self.norm(hidden)
        nodes, edges = (
            self._attend(stream, normed, sources[stream])
            if stream in self.streams and stream in sources
            else torch.zeros_like(hidden)
            for stream in STREAMS
        )
        merged = merges.merge(self.how, self.merge, nodes, edges)
        return hidden + self.gate.tanh() * (merged + self.mlp(merged))

    def _attend(self, stream: str, hidden: Tensor, source: Tensor) -> Tensor:
        """Attention of `hidden` (B, T, D) to the embeddings `source` (B, K, W): (B, T, D)."""
        pairs = ((self.query, hidden), (self.key, source), (self.value, source))
        heads = [
            maps[stream](x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for maps, x in pairs
        ]
        found = functional.scaled_dot_product_attention(*heads)
        return found.transpose(1, 2).flatten(2)


class Coupled(nn.Module):
    """A decoder of transformers, coupled to a reasoner unless its shape has `reasoner_width` 0."""

    decoder: Any  # the causal language model
    words: tokens.Words

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.sources: dict[str, Tensor] = {}

    def couple(self, layers: Sequence[nn.Module]) -> None:
        """Add a cross-attention after each of these layers of the decoder, if there are any."""
        self.couplings = nn.ModuleList(Coupling(self.shape) for _ in layers)
        if not layers:
            return
        self.source_norm = nn.LayerNorm(self.shape.reasoner_width)
        names = NODE_PLACES if self.shape.labels else ()
        self.index = nn.ModuleDict(
            {name: _embedding(self.shape, self.shape.reasoner_width, 1.0) for name in names}
        )
        for layer, coupling in zip(layers, self.couplings, strict=True):
            layer.register_forward_hook(_after(self, cast(Coupling, coupling)))

    def recompute(self) -> None:
        """Keep only the input of each block, with its coupling, for the backward pass.

        The rest is computed again there: less memory, and a third more operations.
        """
        self.decoder.activation_checkpointing_enable()

    def attend(self, adaptive: bool) -> None:
        """Set self-attention to the adaptive temperature, or to plain softmax."""
        raise NotImplementedError

    def look(self, graph: Graph | None, streams: tuple[str, ...] = STREAMS) -> None:
        """Set the embeddings of the cross-attentions for the next calls; None: they add nothing.

        Shapes as in `Graph`: nodes (B, N, W), edges (B, N, N, W).
        """
        self.sources = {}
        if graph is None or not self.couplings:
            return
        nodes, edges = self.source_norm(graph.nodes), self.source_norm(graph.edges)
        if self.shape.labels:
            number = torch.arange(1, 1 + nodes.shape[1], device=nodes.device)
            node, sender, receiver = (
                self.index[f"{name}_label"](graph.labels) + self.index[f"{name}_index"](number)
                for name in ("node", "sender", "receiver")
            )
            nodes = nodes + node
            edges = edges + sender[:, :, None] + receiver[:, None]
        found = {"nodes": nodes, "edges": edges.flatten(1, 2)}
        self.sources = {stream: found[stream] for stream in streams}

    def forward(self, text: Text, cache: Any = None, last: int = 0) -> Tensor:
        """Logits (B, T, vocabulary), or those of the `last` places only.

        `text.attended` also covers the tokens in the cache.
        """
        raise NotImplementedError

    def trained(self) -> dict[str, Tensor]:
        """The tensors that training changes, by name, each once."""
        raise NotImplementedError

    def restore(self, trained: dict[str, Tensor]) -> None:
        """Take over tensors that `trained` of an equal model has returned."""
        raise NotImplementedError


class Model(Coupled):
    """A text decoder with random weights, of our own tokens."""

    words = tokens.OWN

    def __init__(self, shape: Shape, attention: str = "sdpa") -> None:
        super().__init__(shape)
        from transformers import LlamaConfig, LlamaForCausalLM

        from workflow_scripts.transnar import last_block

        config = LlamaConfig(
            vocab_size=len(tokens.VOCABULARY),
            hidden_size=shape.width,
            intermediate_size=shape.mlp,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=shape.position_range,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokens.END_ID,
            pad_token_id=tokens.PAD_ID,
        )
        config._attn_implementation = attention
        self.decoder = LlamaForCausalLM(config)
        last_block.put(self.decoder)
        names: tuple[str, ...] = PLACES if shape.labels else ()
        self.places = nn.ModuleDict({n: _embedding(shape, shape.width, 0.02) for n in names})
        self.couple(self.decoder.model.layers if shape.reasoner_width else ())

    def attend(self, adaptive: bool) -> None:
        """Set self-attention to the adaptive temperature, or to plain softmax."""
        from workflow_scripts.transnar import attention

        self.decoder.set_attn_implementation(attention.NAME if adaptive else attention.PLAIN)

    def forward(self, text: Text, cache: Any = None, last: int = 0) -> Tensor:
        """Logits (B, T, vocabulary), or those of the `last` places only.

        `text.attended` also covers the tokens in the cache.
        """
        embedded = self.decoder.model.embed_tokens(text.ids)
        if self.shape.labels:
            for axis, name in enumerate(("row", "column")):
                embedded = embedded + self.places[f"{name}_label"](text.labels[..., axis])
                embedded = embedded + self.places[f"{name}_index"](text.indices[..., axis])
        self.decoder.model.layers[-1].places = last
        logits: Tensor = self.decoder(
            inputs_embeds=embedded,
            position_ids=text.positions,
            attention_mask=text.attended,
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits
        return logits[:, -last:]

    def trained(self) -> dict[str, Tensor]:
        """All tensors. The output layer is the embedding, so it is there once."""
        return {name: value for name, value in self.state_dict().items() if name != TIED}

    def restore(self, trained: dict[str, Tensor]) -> None:
        """Take over tensors that `trained` of an equal model has returned."""
        self.load_state_dict(trained | {TIED: trained["decoder.model.embed_tokens.weight"]})


def _embedding(shape: Shape, width: int, deviation: float) -> nn.Embedding:
    """An embedding of labels, initially of the same scale as the vectors that it is added to."""
    table = nn.Embedding(shape.labels + 1, width)
    nn.init.normal_(table.weight, std=deviation)
    return table


def _after(model: Coupled, coupling: Coupling) -> Any:
    """A hook that applies a coupling to the hidden states (B, T, D) after a decoder block.

    Some architectures return them first in a tuple.
    """

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not model.sources:
            return output
        hidden, *others = output if isinstance(output, tuple) else (output,)
        if hidden.ndim != 3:
            raise ValueError(
                f"{type(module).__name__}: expected a layer that returns hidden states (rows, "
                f"tokens, width), found shape {tuple(hidden.shape)}; take the model out of "
                "transnar.pretrained.models"
            )
        # transformers computes a layer again without its hooks.
        if module.training and getattr(module, "gradient_checkpointing", False):
            found = checkpoint(coupling, hidden, model.sources, use_reentrant=False)
        else:
            found = coupling(hidden, model.sources)
        return (found, *others) if isinstance(output, tuple) else found

    return hook


def parameters(model: nn.Module) -> int:
    """The number of parameters, shared ones counted once."""
    return sum(tensor.numel() for tensor in model.parameters())


def matched_mlp(own: Shape, other: Shape) -> int:
    """Hidden units that give `own` at least as many parameters as `other`, with the least excess.

    Each unit of a gated MLP has three times the width in parameters, in every layer.
    """
    with torch.device("meta"):
        missing = parameters(Model(other)) - parameters(Model(own))
    return max(1, own.mlp + -(-missing // (3 * own.width * own.layers)))
