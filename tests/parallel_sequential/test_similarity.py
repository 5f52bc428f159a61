"""Similarity of solutions against brute force, and the embedder against the model itself."""

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tests.inference import tiny
from workflow_scripts.parallel_sequential import similarity


def test_within_and_between_by_brute_force():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"question": list("aaabbbaaabbb"), "chain": [0] * 6 + [1] * 6})
    vectors = rng.normal(size=(12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = pd.DataFrame(similarity.compare(frame, vectors))
    for (question, chain), places in frame.groupby(["question", "chain"]).groups.items():
        own = list(places)
        pairs = [vectors[i] @ vectors[j] for i in own for j in own if i < j]
        others = list(frame.index[frame["question"] != question])
        across = [vectors[i] @ vectors[j] for i in own for j in others]
        found = rows[(rows["question"] == question) & (rows["chain"] == chain)]
        found = found[found["metric"] != "share"].set_index("metric")["value"]
        assert found["within"] == pytest.approx(np.mean(pairs))
        assert found["between"] == pytest.approx(np.mean(across))
    shares = rows[rows["metric"] == "share"]
    assert shares["value"].sum() == pytest.approx(1)


def test_equal_solutions_have_cosine_one_and_disjoint_ones_none():
    found = similarity.lexical(["abcabcabc", "abcabcabc", "xyzxyzxyz", ""])
    cosines = found @ found.T
    assert cosines[0, 1] == pytest.approx(1)
    assert cosines[0, 2] == 0
    assert np.isfinite(found).all()


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_the_embedder_pools_the_states_of_the_model(tmp_path, pooling):
    folder = str(tiny.save(tmp_path / "model"))
    settings = {"source": folder, "pooling": pooling, "max_tokens": 4}
    texts = ["the river runs north of town", "seven hills", ""]
    found = similarity.Embedder(settings)(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    for text, vector in zip(texts, found, strict=True):
        ids = tokenizer(text or " ")["input_ids"][:4]
        with torch.no_grad():
            states = model.eval()(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
        expected = states[-1] if pooling == "last" else states.mean(0)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
