"""The three scores on handwritten answers, and the tokenizer's round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.transnar import metrics, tokens


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("[3 3 0 3]", "[3 3 0 3]", (1, 1, 1)),
        ("[3 1 0 3]", "[3 3 0 3]", (1, 1, 0.75)),
        ("[3 3 0]", "[3 3 0 3]", (0, 1, 0)),
        ("[3 3 0 3", "[3 3 0 3]", (0, 1, 0)),
        ("3 3 0 3]", "[3 3 0 3]", (0, 1, 0)),
        ("[3 x 0 3]", "[3 3 0 3]", (0, 0, 0)),
        ("", "[3 3 0 3]", (0, 1, 0)),
        ("[[0 1], [1 1]]", "[[0 1], [1 0]]", (1, 1, 0.75)),
        ("[[0 1 1], [0]]", "[[0 1], [1 0]]", (0, 1, 0)),
        ("[0.120 0.5]", "[0.12 0.25]", (1, 1, 0.5)),
        ("2", "2", (1, 1, 1)),
        ("1, 4", "1, 3", (1, 1, 0.5)),
    ],
)
def test_scores_of_handwritten_answers(answer, truth, expected):
    found = metrics.score(answer, truth)
    assert (found.shape, found.parse, found.clrs) == expected


def test_a_malformed_truth_is_refused():
    with pytest.raises(ValueError, match="expected a true answer"):
        metrics.score("[1]", "[1")


matrices = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=5), min_size=1, max_size=4)


@given(matrices)
def test_tokens_give_the_text_back(rows):
    body = ", ".join("[" + " ".join(map(str, row)) + "]" for row in rows)
    text = f"bfs:\ns: 3, A: [{body}]\npi:\n"
    assert tokens.decode(tokens.encode(text)) == text


@given(matrices)
def test_structure_is_the_place_in_the_matrix(rows):
    """Compared with a count of the lists themselves."""
    digits = [[value % 10 for value in row] for row in rows]
    text = "[" + ", ".join("[" + " ".join(map(str, row)) + "]" for row in digits) + "]"
    ids = tokens.encode(text)
    found = [
        (place, column)
        for token, place, column in zip(ids, *tokens.structure(ids), strict=True)
        if tokens.VOCABULARY[token].strip().isdigit()
    ]
    assert found == [(r, c) for r, row in enumerate(digits) for c in range(len(row))]


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match="found 'é' at character 2"):
        tokens.encode("A:é")


def test_negative_numbers_have_a_column_of_their_own():
    ids = tokens.encode("[-1 -2 3, -4]")
    _, columns = tokens.structure(ids)
    found = {
        tokens.VOCABULARY[token].strip(): column
        for token, column in zip(ids, columns, strict=True)
        if tokens.VOCABULARY[token].strip().isdigit()
    }
    assert found == {"1": 0, "2": 1, "3": 2, "4": 3}
