"""Write `frozen/*.npz`: predictions of the package's own network, with its weights under our names.

    python tests/clrs/freeze_parity.py

Needs dm-clrs; `test_parity.py` only needs the files. Run it again when the package's pin changes.
Each file holds the trajectories, the weights, and the raw predictions of hints and outputs.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workflow_scripts.clrs import sampling, specs, trajectories
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.reasoner import Reasoner

FROZEN = Path(__file__).parent / "frozen"
WIDTH, NODES, SAMPLES, SEED = 8, 6, 4, 5
CASES = [
    ("bellman_ford", "triplet_gmpnn"),
    ("insertion_sort", "triplet_gmpnn"),  # a permutation
    ("lcs_length", "triplet_gmpnn"),  # categories of edges
    ("matrix_chain_order", "triplet_gmpnn"),  # pointers of edges
    ("segments_intersect", "triplet_gmpnn"),  # a mask of the graph
    ("graham_scan", "triplet_gmpnn"),  # a category of the graph
    ("bellman_ford", "mpnn"),
    ("bellman_ford", "pgn"),
    ("bellman_ford", "gat"),
    ("bellman_ford", "gatv2"),
]
MESSAGES = ["receiver", "sender", "edge", "graph", "skip", "update"]
TRIPLETS = [
    *(f"triplets.node.{index}" for index in range(3)),
    *(f"triplets.edge.{index}" for index in range(3)),
    "triplets.graph",
    "triplets.out",
]
GATE = ["gate.state", "gate.message", "gate.out"]
# The order in which the package creates its linear layers.
LAYERS = {
    "mpnn": MESSAGES,
    "pgn": MESSAGES,
    "triplet_gmpnn": [*MESSAGES, *TRIPLETS, *GATE],
    "gat": ["value", "skip", "first", "second", "edge", "graph"],
    "gatv2": ["value", "skip", "first", "second", "edge", "graph", "scores.0"],
}


def numbered(stem, index):
    return stem if index == 0 else f"{stem}_{index}"


def haiku_name(name, processor, algorithm, edge_pointers):
    """The end of the name of the package's module for one of our layers."""
    if name == "norm":
        return "processor/layer_norm"
    if name in ("first", "second") and processor not in ("gat", "gatv2"):
        return f"mlp/~/linear_{['first', 'second'].index(name)}"
    if name.startswith("encoders."):
        feature = name.removeprefix(f"encoders.{algorithm}.linear.")
        second = feature.removesuffix("_second")
        if second != feature and second in edge_pointers:
            return f"algo_0_{second}_enc_linear_1"
        return f"algo_0_{feature}_enc_linear"
    if name.startswith("decoders."):
        feature, index = name.removeprefix(f"decoders.{algorithm}.heads.").rsplit(".", 1)
        return numbered(f"algo_0_{feature}_dec_linear", int(index))
    return numbered("processor/linear", LAYERS[processor].index(name))


def weights(reasoner, params, algorithm, processor):
    """Our state dict filled from the package's parameters, all of which must be used."""
    edge_pointers = {f.name for f in reasoner.specs[algorithm] if f.location == "edge"}
    found, used = {}, set()
    for key in reasoner.state_dict():
        module, kind = key.rsplit(".", 1)
        end = haiku_name(module.removeprefix("processor."), processor, algorithm, edge_pointers)
        (home,) = (m for m in params if m.endswith(f"{end}") and bounded(m, end))
        slot = {"weight": "scale" if module.endswith("norm") else "w", "bias": "b"}[kind]
        slot = "offset" if module.endswith("norm") and kind == "bias" else slot
        used.add((home, slot))
        value = np.asarray(params[home][slot])
        found[key] = value.T if slot == "w" else value
    assert used == {(m, slot) for m in params for slot in params[m]}
    return found


def bounded(module, end):
    before = module[: -len(end)]
    return before.endswith(("/", "_clrs_")) or end.startswith("processor")


def freeze(algorithm, processor):
    import clrs
    import jax
    from clrs._src import baselines
    from clrs._src import processors as theirs

    spec, columns = sampling.draw(sampling.sampler(algorithm, NODES, SEED), algorithm, SAMPLES)
    drawn, package_spec = clrs.build_sampler(
        algorithm, num_samples=-1, seed=SEED, length=NODES, track_max_steps=False
    )
    batches = iter(lambda: drawn.next(SAMPLES), None)
    package_spec, batches = clrs.process_permutations(package_spec, batches, True)
    if algorithm in specs.STATIC_PREDECESSOR:
        package_spec, batches = clrs.process_pred_as_input(package_spec, batches)
    feedback = next(batches)
    model = baselines.BaselineModel(
        spec=[package_spec],
        dummy_trajectory=[feedback],
        hidden_dim=WIDTH,
        encode_hints=True,
        decode_hints=True,
        encoder_init="xavier_on_scalars",
        processor_factory=theirs.get_processor_factory(
            processor, use_ln=True, nb_triplet_fts=8, nb_heads=1
        ),
        use_lstm=False,
        dropout_prob=0.0,
        hint_teacher_forcing=0.0,
        hint_repred_mode="soft",
    )
    model.init(feedback.features, seed=1)
    # Initial biases are 0, so two swapped layers could go unnoticed without this noise.
    random = np.random.default_rng(SEED)
    params = jax.tree.map(
        lambda p: np.asarray(p + 0.1 * random.normal(size=p.shape), np.float32), model.params
    )
    outputs, hints = model.net_fn.apply(
        params,
        jax.random.PRNGKey(0),
        [feedback.features],
        repred=True,
        algorithm_index=0,
        return_hints=True,
        return_all_outputs=False,
    )
    reasoner_spec = specs.for_reasoner(algorithm, spec)
    reasoner = Reasoner({algorithm: reasoner_spec}, WIDTH, PROCESSORS[processor])
    arrays = {f"weight/{k}": v for k, v in weights(reasoner, params, algorithm, processor).items()}
    arrays |= {f"column/{key}": value for key, value in columns.items()}
    arrays |= {f"output/{name}": np.asarray(value) for name, value in outputs.items()}
    arrays |= {
        f"hint/{name}": np.stack([np.asarray(step[name]) for step in hints]) for name in hints[0]
    }
    if not any(f.type == "permutation_pointer" for f in reasoner_spec):  # no noise in the loss
        loss = model._loss(params, jax.random.PRNGKey(0), feedback, 0)
        arrays["loss"] = np.asarray(loss)
    np.savez_compressed(
        FROZEN / f"{algorithm}-{processor}.npz", spec=json.dumps(specs.to_json(spec)), **arrays
    )
    assert trajectories.Trajectories(algorithm, spec, columns).nodes


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FROZEN.mkdir(exist_ok=True)
    for case in CASES[int(sys.argv[1]) if len(sys.argv) > 1 else 0 :]:
        print(*case, flush=True)
        freeze(*case)
