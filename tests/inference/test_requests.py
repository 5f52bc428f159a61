import pytest

from workflow_scripts.inference.requests import RequestError, request, table

BASE = {"prompt": "north", "temperature": 1.0, "max_tokens": 4, "seed": 1}


def test_n_and_conditions_do_not_make_another_request():
    first = request("a", **BASE)
    assert request("a", **BASE, n=2000)["request_id"] == first["request_id"]
    assert request("a", **BASE, style="curt")["request_id"] == first["request_id"]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "south"},
        {"temperature": 0.5},
        {"max_tokens": 5},
        {"seed": 2},
        {"top_p": 0.9},
        {"top_k": 3},
        {"stop": ["x"]},
        {"choices": ["A"]},
        {"echo_logprobs": True},
    ],
)
def test_every_field_that_decides_the_reply_makes_another_request(change):
    assert request("a", **(BASE | change))["request_id"] != request("a", **BASE)["request_id"]


def test_the_item_tells_equal_prompts_apart():
    assert request("a", **BASE)["request_id"] != request("b", **BASE)["request_id"]


def test_a_prompt_and_a_chat_turn_of_the_same_words_differ():
    turns = BASE | {"prompt": None, "messages": [{"role": "user", "content": "north"}]}
    assert request("a", **turns)["request_id"] != request("a", **BASE)["request_id"]


def test_the_same_request_twice_is_refused_with_both_rows():
    rows = [request("a", **BASE), request("b", **BASE), request("a", **BASE, style="curt")]
    with pytest.raises(RequestError, match=r"rows 0 and 2 are the same request \(item 'a'\)"):
        table(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": None}, "either messages or prompt"),
        ({"messages": [{"role": "user", "content": "x"}]}, "either messages or prompt"),
        ({"prompt": None, "messages": []}, "at least one chat turn"),
        ({"prompt": None, "messages": [{"role": "user"}]}, "a chat turn with role and content"),
        ({"n": 0}, "n is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.2}, "top_p is 1.2"),
        ({"top_k": -1}, "top_k is -1"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"stop": "END"}, "lists of strings"),
        ({"stop": [""]}, "empty stop string"),
        ({"item": "y"}, None),
    ],
)
def test_values_out_of_range_are_refused_by_name(change, message):
    if message is None:
        with pytest.raises(TypeError):
            request("a", **(BASE | change))
        return
    with pytest.raises(RequestError, match=f"request 'a': .*{message}"):
        request("a", **(BASE | change))


def test_a_condition_cannot_take_the_name_of_a_column():
    with pytest.raises(RequestError, match="request_id cannot name a condition"):
        request("a", **BASE, request_id="x")


def test_no_rows_make_an_empty_table():
    assert len(table([])) == 0
