"""What a draw depends on, and that different models draw independently."""

import json
import shutil

import numpy as np
import pytest
import torch

from tests.inference import tiny
from workflow_scripts.inference import checkpoint, engines, noise, sampling
from workflow_scripts.inference.engines import Draw
from workflow_scripts.inference.requests import request

HUB = {"source": "org/model", "revision": "a" * 40}


def of(folder, **spec):
    return noise.of_checkpoint(str(folder), checkpoint.content(str(folder), spec)[1], spec)


def of_hub(**spec):
    spec = HUB | spec
    return noise.of_checkpoint(spec["source"], checkpoint.content(spec["source"], spec)[1], spec)


def digits(model, count=1024):
    """Uniform digits of one request, as `decoding` draws them."""
    row = request("draw a digit", prompt="digit:", temperature=1.0, max_tokens=1, seed=7)
    keys = [noise.key(model, row["seed"], row["request_id"], sample) for sample in range(count)]
    settings = (
        torch.ones(count),
        torch.zeros(count, dtype=torch.int64),
        torch.ones(count, dtype=torch.float64),
        torch.tensor(keys),
        torch.zeros(count, dtype=torch.int64),
    )
    return sampling.choose(torch.zeros(count, 10), *settings).numpy()


def test_two_models_with_one_vocabulary_draw_independently():
    """Of 1,024 digits 10 % are equal, as by chance, and pairs of digits are equally frequent."""
    first, second = digits(noise.of_server({"source": "a"})), digits(of_hub())
    assert abs(np.mean(first == second) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 1024)
    assert np.array_equal(first, digits(noise.of_server({"source": "a"})))
    counts = np.bincount(10 * first + second, minlength=100)
    assert ((counts - 10.24) ** 2 / 10.24).sum() < 160  # chi-square, 99 degrees: p = 1e-4


def test_engines_draw_by_the_model(tmp_path):
    """Two models with nearly uniform logits: nearly every token is equal if the noise is shared."""
    first = tiny.save(tmp_path / "first", spread=1e-4)
    second = tiny.save(tmp_path / "second", spread=1e-4, seed=1)
    row = request("one", prompt="the river", n=300, temperature=1.0, max_tokens=1, seed=9)

    def texts(name, folder):
        engine = engines.load(name, tiny.SPEC, str(folder))
        records = [r for batch in engine.run([Draw(row, i) for i in range(300)]) for r in batch]
        return [record["text"] for record in sorted(records, key=lambda r: r["sample"])]

    drawn = texts("mine", first)
    assert texts("other name", shutil.copytree(first, tmp_path / "copy")) == drawn
    others = texts("mine", second)
    legible = [pair for pair in zip(drawn, others, strict=True) if "\ufffd" not in "".join(pair)]
    assert np.mean([one == other for one, other in legible]) < 0.2


def test_a_folder_is_its_files_and_not_its_provenance(tmp_path):
    folder = tiny.save(tmp_path / "model")
    before = of(folder)
    for commit in ("1", "2"):
        origin = {"rule": "models_convert", "commit": commit}
        (folder / "provenance.json").write_text(json.dumps(origin))
        assert of(folder) == before
    (folder / "provenance.json").unlink()
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert of(folder) != before


def test_a_trained_model_is_its_training(tmp_path):
    """Name, seed and settings: rounding on another processor and the commit change no draw."""

    def trained(weights=b"", model="embedded-s", seed=1, **changed):
        settings = {"shape": {"steps": 10}} | changed
        origin = {"rule": "models_train", "wildcards": {"model": model}, "seed": seed}
        origin |= {"settings": settings, "commit": str(len(weights)), "code": "x"}
        folder = tmp_path / "trained"
        folder.mkdir(exist_ok=True)
        (folder / "provenance.json").write_text(json.dumps(origin))
        (folder / "model.safetensors").write_bytes(weights)
        return of(folder)

    assert trained() == trained(b"rounded differently")
    keys = {trained(), trained(model="embedded-m"), trained(seed=2), trained(shape={"steps": 20})}
    assert len(keys) == 4


def test_a_hub_model_is_its_revision_and_a_server_model_its_name():
    assert len({of_hub(), of_hub(revision="b" * 40), of_hub(source="org/other")}) == 3
    served = {"source": "org/model", "server": {"url": "http://a/v1"}}
    moved = {"source": "org/model", "server": {"url": "http://b/v1"}, "max_context": 9}
    assert noise.of_server(served) == noise.of_server(moved)
    assert noise.of_server(served) != noise.of_server(served | {"source": "org/other"})


@pytest.mark.parametrize("make", [of_hub, lambda **spec: noise.of_server(HUB | spec)])
def test_what_the_model_is_asked_counts_and_how_it_runs_does_not(make):
    same = [{}, {"dtype": "bfloat16"}, {"engine": "vllm"}, {"max_context": 64}]
    other = [{"thinking": True}, {"thinking": False}, {"chat_template": False}]
    assert len({make(**spec) for spec in same}) == 1
    assert len({make(**spec) for spec in [{}, *other]}) == 4


def test_seed_request_sample_and_step_count():
    numbers = {
        noise.uniform(noise.key(model, seed, row, sample), step)
        for model in "ab"
        for seed in (1, 2)
        for row in ("x", "y")
        for sample in (0, 1)
        for step in (0, 1)
    }
    assert len(numbers) == 32
