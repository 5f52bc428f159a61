"""What a server of dialect vllm is sent where the beginning of the reply is given."""

import json

import pytest

from tests.inference import hostile
from tests.inference.asking import ask
from workflow_scripts.inference.requests import request, table

EMPTY_THOUGHT = "<think></think>"
TURNS = [{"role": "user", "content": "where?"}, {"role": "assistant", "content": "To the"}]


def rendered(body, thought):
    """A template that writes an empty thought where a reply opens; with `thought`, in turns too."""
    text = ""
    for turn in body["messages"]:
        shown = EMPTY_THOUGHT if thought and turn["role"] == "assistant" else ""
        text += f"<{turn['role']}>{shown}{turn['content']}"
    return text + f"<assistant>{EMPTY_THOUGHT}" * body["add_generation_prompt"]


def characters(thought):
    """A `fault` for `hostile.Server`: a vLLM server whose tokens are characters."""

    def answer(handler, body, number):
        if handler.path == "/tokenize":
            text = rendered(body, thought) if "messages" in body else body["prompt"]
            reply = {"tokens": [ord(each) for each in text], "max_model_len": 100}
        elif handler.path == "/detokenize":
            reply = {"prompt": "".join(map(chr, body["tokens"]))}
        else:
            counted = {"prompt_tokens": len(body["prompt"]), "completion_tokens": 3}
            reply = hostile.good(body, number) | {"usage": counted}
        handler.reply(200, json.dumps(reply).encode())

    return lambda number, body: answer


@pytest.mark.parametrize("thought", [False, True])
def test_a_begun_reply_follows_what_opens_a_reply(folder, thought):
    rows = table([request("open", messages=TURNS, n=2, temperature=0.0, max_tokens=9, seed=1)])
    with hostile.serving(characters(thought)) as server:
        found = ask(server, rows, dialect="vllm")
        sent = [body["prompt"] for _, path, body, _ in server.asked if "completions" in path]
    expected = f"<user>where?<assistant>{EMPTY_THOUGHT}To the"
    assert ["".join(map(chr, prompt)) for prompt in sent] == [expected] * 2
    assert found["prompt_tokens"].tolist() == [len(expected)] * 2
