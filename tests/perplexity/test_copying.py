"""The copy task: the protocol of the data, parallel greedy decoding, and resuming a training."""

import itertools

import numpy as np
import pytest
import torch

from workflow_scripts.perplexity import copies, copying, decoder, training
from workflow_scripts.perplexity.decoder import Shape
from workflow_scripts.perplexity.training import Settings

torch.set_num_threads(1)
SHAPE = Shape(copying.VOCABULARY, copying.BITS, 16, 1, 2, "rope")
SETTINGS = Settings(8, 1e-2, 2, 0.5, 0.0, 3)


def sharp(seed: int, scale: float = 6.0) -> decoder.Parameters:
    """An untrained model whose answers vary from bit to bit."""
    parameters = decoder.initial(seed, SHAPE)
    return parameters | {"head": scale * parameters["head"]}


def test_every_row_holds_two_strings_and_their_copies():
    data = copying.Strings(1, [0, 1], 200, 8, SHAPE)
    tokens, positions, segments, predicts = data.draw()
    lengths = []
    for row in range(200):
        for segment in (0, 1):
            own = (segments[0, row] == segment).nonzero()[:, 0]
            text = tokens[0, row, own].tolist()
            n = (len(text) - 1) // 2
            lengths.append(n)
            assert text[n] == copying.SEPARATOR
            assert text[:n] == text[n + 1 :]
            assert set(text[:n]) <= {0, 1}
            assert positions[0, row, own].tolist() == list(range(len(text)))
            assert predicts[0, row, own].nonzero()[:, 0].tolist() == list(range(n, 2 * n))
    assert set(lengths) == set(range(1, 9))
    assert np.bincount(lengths)[1:] == pytest.approx(50, rel=0.5)
    assert not torch.equal(tokens[0], tokens[1])


@pytest.mark.parametrize("seed", range(3))
def test_parallel_decoding_equals_sequential_decoding(seed):
    model = sharp(seed)
    strings = torch.randint(0, 2, (4, 12), generator=torch.Generator().manual_seed(seed))
    written, logs = copying.greedy(model, SHAPE, strings)
    for row, string in enumerate(strings):
        tokens = [*string.tolist(), copying.SEPARATOR]
        for step in range(12):
            after = decoder.forward(model, torch.tensor([[tokens]]), SHAPE)[0, 0, -1]
            torch.testing.assert_close(
                logs[0, row, step], after.log_softmax(-1), atol=1e-4, rtol=1e-4
            )
            tokens.append(int(after[1] > after[0]))
        assert tokens[13:] == written[0, row].tolist()
    assert 0 < written.float().mean() < 1


@pytest.mark.parametrize("flip", copying.FLIPS)
def test_a_pair_differs_in_one_bit(flip):
    alpha, beta = copying.pair(9, flip)
    assert alpha.sum() == 0
    assert beta.nonzero().flatten().tolist() == [{"first": 0, "middle": 4, "last": 8}[flip]]


def test_panels_by_hand():
    p_one = np.array([[0.1, 0.2], [0.1, 0.3]])
    logs = np.log(np.stack([1 - p_one, p_one], -1))
    found = copies.panels(logs, np.zeros((2, 2), int), 1, 1e-12)
    assert found["gap"] == pytest.approx(0.1)
    assert found["alpha_least"] == pytest.approx(0.8)
    assert found["beta_flip"] == pytest.approx(0.3)
    assert found["nats_alpha"] == pytest.approx(-np.log([0.9, 0.8]).mean())
    assert found["nats_beta"] == pytest.approx(-np.log([0.9, 0.3]).mean())
    assert found["nats_apart"] <= found["corrected_bound"]
    copied = copies.panels(logs, np.array([[0, 0], [0, 1]]), 1, 1e-12)
    assert copied["beta_copied"] == 1
    assert "corrected_bound" not in copied


def test_sampling_errors_are_those_of_all_strings():
    """Every string of five bits, with its probability from the model one bit at a time."""
    model = sharp(1, 2.0)
    rows = {row["metric"]: row["value"] for row in copies.sampling(model, SHAPE, [5], "last")}
    alpha = copying.pair(5, "last")[0]
    total = 0.0
    for bits in itertools.product([0, 1], repeat=5):
        if any(bits):
            written = torch.tensor(bits).expand(1, 1, 5)
            logs = copying.logits_after(model, SHAPE, alpha.expand(1, 1, 5), written)
            logs = logs.log_softmax(-1).gather(-1, written[..., None])
            total += float(logs.sum().exp())
    assert rows["alpha_error"] == pytest.approx(total, abs=1e-5)
    assert rows["alpha_error"] <= rows["alpha_union"] + 1e-6


def test_gradient_norm_agrees_with_finite_differences():
    shape = SHAPE._replace(width=8)
    model = {name: tensor.double() for name, tensor in decoder.initial(2, shape).items()}
    rows = {row["metric"]: row["value"] for row in copies.gradients(model, shape, [6], "last")}
    beta = copying.pair(6, "last")[1].expand(1, 1, 6)

    def nats() -> float:
        logs = copying.taught(model, shape, beta)
        return float(-logs.gather(-1, beta[..., None]).mean())

    square = 0.0
    for tensor in model.values():
        flat = tensor.view(-1)
        for place in range(len(flat)):
            kept = float(flat[place])
            flat[place] = kept + 1e-5
            up = nats()
            flat[place] = kept - 1e-5
            square += ((up - nats()) / 2e-5) ** 2
            flat[place] = kept
    assert rows["gradient_beta"] ** 2 == pytest.approx(square, rel=1e-4)
    assert rows["size_times_gradient_beta"] == pytest.approx(6 * rows["gradient_beta"])
    assert rows["taught_nats_beta"] == pytest.approx(nats())


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    def train(state, until=None) -> decoder.Parameters:
        def stop(step: int, _: decoder.Parameters) -> None:
            if step == until:
                raise KeyboardInterrupt

        parameters = training.initial(3, SHAPE, [0, 1], "copying")
        data = copying.Strings(3, [0, 1], 4, 6, SHAPE)
        training.fit(parameters, data, SETTINGS, state, stop)
        return parameters

    whole = train(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed.pt", until=5)
    resumed = train(tmp_path / "killed.pt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    parameters = training.initial(3, SHAPE, [1], "copying")
    training.fit(parameters, copying.Strings(3, [1], 4, 6, SHAPE), SETTINGS)
    alone = parameters["head"]
    torch.testing.assert_close(alone[0], whole["head"][1], atol=1e-5, rtol=1e-4)


def test_weights_survive_the_disk_and_a_bad_file_is_named(tmp_path):
    decoder.write(tmp_path / "a.safetensors", sharp(0), SHAPE, {"seed": 1})
    read, shape = decoder.read(tmp_path / "a.safetensors")
    assert shape == SHAPE
    assert all(torch.equal(read[name], tensor) for name, tensor in sharp(0).items())
    (tmp_path / "b.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"b\.safetensors: expected small decoders"):
        decoder.read(tmp_path / "b.safetensors")


def test_everything_that_training_draws_follows_the_weights_to_their_device():
    """On the device `meta` nothing is computed, but tensors of two devices do not mix."""
    elsewhere = decoder.to(decoder.stack([sharp(1), sharp(2)]), "meta")
    data = copying.Strings(1, [0, 1], 3, 8, SHAPE)
    for part in data.losses(elsewhere):
        assert (part.device.type, part.shape) == ("meta", (2,))
    with pytest.raises(RuntimeError):
        decoder.forward(elsewhere, torch.zeros(2, 3, 4, dtype=torch.long), SHAPE)
