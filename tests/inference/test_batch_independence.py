"""A reply on CPU in float32 has the same bits in every batch."""

import numpy as np
import pytest

from tests.inference import tiny
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.engines import Draw, Score
from workflow_scripts.inference.requests import request, table

ARCHITECTURES = {
    "qwen3": {},
    "llama": {"num_key_value_heads": 4},
    "gpt2": {},
    "mistral": {"sliding_window": 32},
    "gemma3_text": {
        "sliding_window": 32,
        "layer_types": ["sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 16,
    },
    "gpt_oss": {"sliding_window": 32, "num_local_experts": 4},
    "gemma2": {"sliding_window": 32},
}


def asked(seed=0):
    """Ragged prompts, some with a common prefix; all kinds of sampling; options of many tokens."""
    random = np.random.default_rng(seed)

    def text(count):
        return " ".join(random.choice(tiny.WORDS.split(), size=count))

    common = text(50)
    rows = []
    for i in range(30):
        rows.append(
            request(
                f"ragged {i}",
                messages=[{"role": "user", "content": text(random.integers(1, 60))}],
                n=3,
                temperature=(1.0, 0.7, 0.0)[i % 3],
                top_p=0.9 if i % 5 == 0 else 1.0,
                top_k=7 if i % 7 == 0 else 0,
                max_tokens=int(random.integers(1, 40)),
                stop=["th"] if i % 4 == 0 else [],
                seed=1,
                choices=["A", "B the river"] if i % 2 else [],
                echo_logprobs=i % 3 == 0,
            )
        )
    for i in range(16):
        rows.append(
            request(
                f"common {i}",
                prompt=common + text(random.integers(1, 40)),
                temperature=1.0,
                max_tokens=20,
                seed=1,
                choices=["A", "the river runs", "north"],
            )
        )
    rows.append(request("many", prompt="a", n=200, temperature=1.0, max_tokens=12, seed=3))
    return table(rows)


def answers(engine, tasks):
    return {(row["request_id"], row["sample"]): row for batch in engine.run(tasks) for row in batch}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batches_order_and_prefix_reuse_change_no_bit(tmp_path, architecture):
    folder = tiny.save(tmp_path / "model", architecture, **ARCHITECTURES[architecture])
    tasks = list(runner._tasks(asked().to_dict("records")))
    random = np.random.default_rng(7)
    results = []
    for batch_tokens, reuse, order in (
        (16384, True, range(len(tasks))),
        (16384, False, random.permutation(len(tasks))),
        (900, True, range(len(tasks))[::-1]),
        (64, False, range(len(tasks))),
    ):
        engine = engines.load(
            "tiny", tiny.SPEC, str(folder), batch_tokens=batch_tokens, reuse_prefixes=reuse
        )
        results.append(answers(engine, [tasks[i] for i in order]))
    assert len(results[0]) == len(tasks)
    for other in results[1:]:
        assert other == results[0]


def test_a_draw_alone_is_the_draw_in_a_crowd(engine):
    row = request("one", prompt="the river", n=2000, temperature=1.0, max_tokens=12, seed=9)
    crowd = answers(engine, [Draw(row, sample) for sample in range(2000)])
    for sample in (0, 1, 77, 1999):
        alone = answers(engine, [Draw(row, sample)])
        assert alone[row["request_id"], sample] == crowd[row["request_id"], sample]
    # The draws are not all equal.
    assert len({record["text"] for record in crowd.values()}) > 200


def test_options_scored_alone_are_the_options_scored_in_a_crowd(engine):
    rows = asked(4)
    tasks = [Score(row) for row in rows.to_dict("records") if row["choices"] != "[]"]
    crowd = answers(engine, tasks)
    for task in tasks:
        assert (
            answers(engine, [task])[task.request["request_id"], -1]
            == crowd[task.request["request_id"], -1]
        )
