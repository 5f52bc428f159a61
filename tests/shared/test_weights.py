"""Files of weights: reproducible bytes, complete or absent, and errors for other files."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from workflow_scripts.shared import weights

TENSORS = {"b": torch.arange(6.0).view(2, 3).mT, "a": torch.tensor([True, False])}
ABOUT = {"shape": {"width": 3, "names": ["z", "a"]}, "arm": "hybrid", "n": None}


def test_what_is_written_is_read(tmp_path):
    weights.write(tmp_path / "w.safetensors", TENSORS, {"seed": 1}, **ABOUT)
    tensors, about = weights.read(tmp_path / "w.safetensors", "anything")
    assert about == ABOUT | {"provenance": {"seed": 1}}
    assert list(about["shape"]) == ["width", "names"]  # the order may matter
    stored = load_file(tmp_path / "w.safetensors")
    assert tensors.keys() == stored.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert torch.equal(stored[name], tensor)


def test_equal_weights_give_equal_bytes(tmp_path):
    found = set()
    for number in range(20):
        path = tmp_path / f"{number}.safetensors"
        weights.write(path, TENSORS, {"seed": 1, "code": "c"}, **ABOUT)
        found.add(path.read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("content", [b"", b"not weights at all", None])
def test_other_files_are_named(tmp_path, content):
    path = tmp_path / "theirs.safetensors"
    if content is None:
        save_file({"w": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"theirs\.safetensors: expected heads, cannot be read"):
        weights.read(path, "heads")


def test_weights_of_another_kind_are_named(tmp_path):
    weights.write(tmp_path / "w.safetensors", TENSORS, shape=ABOUT["shape"])
    assert weights.read(tmp_path / "w.safetensors", "stacks", "shape")[1]["shape"] == ABOUT["shape"]
    with pytest.raises(ValueError, match=r"w\.safetensors: expected reasoners, found other"):
        weights.read(tmp_path / "w.safetensors", "reasoners", "reasoner")


def test_what_is_noted_does_not_change_how_products_round(tmp_path):
    """Tensors have torch's own alignment, whatever the length of the file's header."""
    held = torch.randn(129, 67, generator=torch.Generator().manual_seed(0))
    vector = torch.randn(67, generator=torch.Generator().manual_seed(1))
    products = []
    for length in range(64):
        path = tmp_path / f"{length}.safetensors"
        weights.write(path, {"held": held}, {"note": "x" * length})
        found = weights.read(path, "held")[0]["held"]
        assert found.data_ptr() % 64 == 0
        products.append(found @ vector)
    assert all(torch.equal(product, held @ vector) for product in products)
