"""The asynchrony certificate: known levels, planted violations, exact domains."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from workflow_scripts.cocycles import (
    certificate,
    certificate_report,
    certificate_search,
    certificate_subjects,
    freedoms,
    known_layers,
    layers,
    network,
)
from workflow_scripts.cocycles.certificate_subjects import SubjectError

FILE = known_layers.__file__
DOMAIN = {"nodes": 3, "values": [-1, 0, 1], "states": 9}
SEED = 20260401


def load(name, seed=SEED):
    return certificate_subjects.load(name, {"class": name}, FILE, seed)


def domain(**changes):
    return certificate_search.domain(2, DOMAIN | changes, SEED)


def smallest(module, freedom, arithmetic="rounding", **changes):
    dtype = certificate_search.ARITHMETICS[arithmetic][0]
    layer = module.eval().to(dtype)
    return certificate_search.search(layer, freedom, domain(**changes), arithmetic)


QUICK = ("Recurrent", "MeanRelu", "SumRelu", "SumReluIntegers", "SoftmaxAttention", "MlpMax")


@pytest.mark.parametrize(
    ("name", "seed"),
    [*((name, SEED) for name in known_layers.LEVELS), *((name, 5) for name in QUICK)],
)
def test_the_level_of_a_known_layer_is_found(name, seed):
    where = domain()
    assert where.shows_known_levels
    found = certificate_search.certify(name, load(name, seed), where)
    levels = tuple(certificate_search.level(outcomes) for outcomes in found.values())
    assert levels == known_layers.LEVELS[name]


def test_every_graph_is_searched_once():
    """2, 10, 104 relations up to isomorphism (OEIS A000595), whose renamings are all there are."""
    assert [len(freedoms.graphs(nodes)) for nodes in (1, 2, 3)] == [2, 10, 104]
    named = [
        {frozenset((p[a], p[b]) for a, b in edges) for p in permutations(range(3))}
        for edges in freedoms.graphs(3)
    ]
    assert sum(map(len, named)) == len(set().union(*named)) == 2**9


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_batching_is_searched_once(k):
    """Ordered set partitions are counted by Fubini numbers, ordered blocks by k! 2^(k-1)."""
    fubini = {1: 1, 2: 3, 3: 13, 4: 75}[k]
    senders = tuple(range(k))
    counts = {
        "order": math.factorial(k) * 2 ** (k - 1) - 1,
        "updates": fubini - 1,
        "duplicates": 2 * k,
        "resent": 2 * fubini - 1,
        "increments": 2 * fubini - 1,
    }
    for freedom, count in counts.items():
        found = list(freedoms.batchings(freedom, senders))
        assert len(found) == len(set(found)) == count


def test_the_runs_of_a_layer_that_keeps_everything_are_counted():
    """Stars of one to three senders, with or without a loop, times 9 states per node."""
    outcome = smallest(load("MaxMax"), "updates", "bits")
    assert outcome.kept
    # 2 nodes: both send; 3 nodes: two others send, or all; the node with a loop and one other.
    runs = 2 * 9**2  # node, loop and one other; two orders
    runs += (2 + 2 + 12) * 9**3  # of 2 senders without and with the loop, of 3 senders
    assert outcome.cases == runs


class Planted(nn.Module):
    """max of the senders' states; of three equal messages (1, 1) it makes (2, 2)."""

    width = 2

    def message(self, receiver, sender):
        return sender

    def aggregate(self, messages):
        three = messages.shape[1] >= 3
        wrong = (messages == 1).all(-1).all(-1) if three else torch.zeros(len(messages)) > 0
        return messages.amax(1) + wrong[:, None].to(messages.dtype)

    def update(self, state, message):
        return torch.maximum(state, message)


def test_a_single_planted_violation_is_found_and_is_the_smallest():
    outcome = smallest(Planted(), "order")
    example = outcome.counterexample
    assert example.schedule.size == (3, 3, 2)
    assert (example.states == 1).all()
    assert example.gap == pytest.approx(0.5)  # 1 instead of 2
    found = certificate_search.certify("planted", Planted(), domain())
    assert certificate_search.level(found["bits"]) == 0
    # With two nodes there are no three messages, and the domain cannot show it.
    assert smallest(Planted(), "order", nodes=2).kept


class Last(Planted):
    """The message that came last."""

    def aggregate(self, messages):
        return messages[:, -1]


def test_an_order_that_matters_needs_two_messages():
    example = smallest(Last(), "order").counterexample
    assert example.schedule.size == (2, 2, 1)
    assert example.schedule.batches == ((1, 0),)
    # One entry that is not 0, of magnitude 1, so that the messages differ and max shows it.
    assert (example.states != 0).sum() == 1


def test_no_smaller_counterexample_exists():
    """Repeated updates of a layer with integer weights, searched in plain Python."""
    module = load("SumReluIntegers")
    example = smallest(module, "updates").counterexample
    weights = {
        name: matrix.detach().numpy().astype(int)
        for name, matrix in (
            (part, getattr(module, part).weight) for part in ("receiver", "sender", "own", "inbox")
        )
    }

    def update(state, message):
        return np.maximum(weights["own"] @ state + weights["inbox"] @ message, 0)

    found = []
    states = [np.array(each) for each in product([-1, 0, 1], repeat=2)]
    for others, loop in ((0, True), (1, False), (1, True), (2, False)):
        for own, *rest in product(states, repeat=others + 1):
            senders = [*([own] if loop else []), *rest]
            sent = [weights["receiver"] @ own + weights["sender"] @ each for each in senders]
            expected = update(own, sum(sent))
            for order in permutations(sent):
                state = own
                for message in order:
                    state = update(state, message)
                if (state != expected).any():
                    entries = np.concatenate([own, *rest])
                    size = (others + 1, len(sent), int((entries != 0).sum()))
                    found.append((*size, int(np.abs(entries).sum())))
    own = example.states.flatten()
    size = (*example.schedule.size[:2], int((own != 0).sum()), int(own.abs().sum()))
    assert size == min(found)


def test_the_synchronous_run_is_the_definition():
    """Both steps of a counterexample's graph, against the study's own network in NumPy."""
    module = load("MaxMax")
    example = smallest(module, "resent").counterexample
    schedule = example.schedule
    pair = [
        getattr(module, part).weight.detach().double().numpy()[None]
        for part in ("receiver", "sender")
    ]
    adjacency = np.zeros((schedule.nodes, schedule.nodes), dtype=bool)
    for start, end in schedule.edges:
        adjacency[end, start] = True
    inputs = example.states.numpy()[:, None]
    expected = network.synchronous(layers.max_max(*pair), adjacency, inputs, 2)
    events = freedoms.trace(module, schedule, example.batch, example.row, example.node)
    (*_, (last, found), (end, once)) = events
    assert "asynchronous" in last
    assert "synchronous" in end
    np.testing.assert_allclose(once.numpy(), expected[example.node, 0], atol=1e-12)
    assert float((found - once).abs().max()) > certificate_search.ROUNDING
    # What the deviating node sent is in the trace: its own state, then the one after its messages.
    sent = [value for text, value in events if "sends" in text]
    assert torch.equal(sent[0], example.states[schedule.node])


def test_a_trace_shows_a_difference_of_rounding():
    """The same batch rounds the same: the last digits of a trace are those of the search."""
    example = smallest(load("SumRelu"), "order", "bits").counterexample
    module = load("SumRelu").eval()
    events = freedoms.trace(module, example.schedule, example.batch, example.row, example.node)
    found, once = events[-2][1], events[-1][1]
    assert not torch.equal(found, once)
    assert float((found - once).abs().max()) < 1e-6
    lines = certificate_report.trace_lines("", module, example)
    assert lines[-2].partition(": ")[2] != lines[-1].partition(": ")[2]


def test_equal_numbers_are_equal():
    one = torch.tensor([[0.0, torch.nan], [1.0, torch.inf], [1.0, torch.nan], [4.0, 0.0]])
    other = torch.tensor([[-0.0, torch.nan], [1.0, torch.inf], [1.0, 2.0], [5.0, 0.0]])
    assert certificate_search.gaps(one, other).tolist() == pytest.approx([0, 0, math.inf, 0.2])


def test_states_of_a_wide_module_are_drawn_and_said_to_be():
    where = certificate_search.domain(64, DOMAIN, SEED)
    assert where.palette.shape == (9, 64)
    assert len({tuple(state) for state in where.palette.tolist()}) == 9
    assert not where.palette[0].any()
    assert not where.shows_known_levels
    assert "9 states of width 64, drawn from" in certificate_report.domain_text(where)
    assert "all 9 states of width 2" in certificate_report.domain_text(domain())


def test_states_come_simplest_first():
    entries = domain().assignments(2).flatten(1)
    assert len(torch.unique(entries, dim=0)) == 9**2
    keys = [(int((row != 0).sum()), float(row.abs().sum())) for row in entries]
    assert keys == sorted(keys)


def test_parts_of_a_state_need_messages_of_its_width():
    module = load("SoftmaxAttention")
    found = certificate_search.certify("attention", module, domain(nodes=2))
    text = certificate_report.outcome_text(found["bits"]["increments"])
    assert text == "not defined: messages have width 3, states 2"
    rows = certificate.rows("attention", found, None)
    broken = [row for row in rows if row.get("kind") == "increments"]
    assert [row["metric"] for row in broken] == ["undefined", "undefined"]


def test_weights_of_a_file_are_those_that_are_certified(tmp_path):
    trained = known_layers.Tropical()
    path = tmp_path / "weights.safetensors"
    save_file(trained.state_dict(), path)
    module = certificate_subjects.load("mine", {"class": "Tropical"}, FILE, SEED, str(path))
    assert torch.equal(module.sender.weight, trained.sender.weight)
    save_file({"sender.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(SubjectError, match=r"mine: .* does not fit the class"):
        certificate_subjects.load("mine", {"class": "Tropical"}, FILE, SEED, str(path))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Other: pass", r"mine: expected a torch.nn.Module named Mine in .*, found none"),
        ("Mine = 3", r"found int; correct the class or the file"),
        (
            "from torch import nn\nclass Mine(nn.Module):\n def message(self, x, y): return y",
            r"mine: expected methods message, aggregate, update, found no aggregate",
        ),
    ],
)
def test_a_class_that_does_not_fit_is_refused_in_one_line(tmp_path, code, message):
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(SubjectError, match=message):
        certificate_subjects.load("mine", {"class": "Mine"}, str(path), SEED)


def test_a_wrong_width_or_shape_is_refused():
    class Wrong(Planted):
        width = None

        def aggregate(self, messages):
            return messages

    with pytest.raises(SubjectError, match="mine: expected an attribute `width`"):
        certificate_subjects.width("mine", Wrong())
    message = r"mine: expected shape \(9, 2\) from aggregate, found \(9, 2, 2\)"
    with pytest.raises(SubjectError, match=message):
        certificate_search.certify("mine", Wrong(), domain(nodes=1))


def test_only_our_own_file_has_known_levels(tmp_path):
    assert certificate_subjects.known(FILE, "Tropical") == (3, 3)
    copy = tmp_path / "known_layers.py"
    copy.write_text("")
    assert certificate_subjects.known(str(copy), "Tropical") is None
