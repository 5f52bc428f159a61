"""Users' files as editors and spreadsheets write them: read, or refused by line with a remedy."""

import csv
import json

import pytest

from workflow_scripts.change_of_mind import choice_files
from workflow_scripts.parallel_sequential import questions, task_files
from workflow_scripts.shared import user_files
from workflow_scripts.shared.user_files import FileError

ODD = "one\u2028two\u0085three\u2029four\x0bfive\x1csix"  # str.splitlines would cut it six times
MATH = {"problem": f"{ODD}?", "answer": 0}
CHOICE = {"question": f"{ODD}?", "options": [0, 1], "answer": 0}


def lines(*rows, end="\n", ascii_only=False):
    return "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows)


@pytest.fixture
def file(tmp_path):
    def written(content, name="mine.jsonl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_a_line_feed_ends_a_line_and_a_byte_order_mark_is_no_text(file, end, mark):
    path = file(mark + lines(MATH, {}, end=end))
    assert list(user_files.rows(path)) == [(1, MATH), (2, {})]
    first, second = task_files.mathematics(file(mark + lines(MATH, MATH, end=end)))
    assert (first["text"], first["answer"], second["question"]) == (f"{ODD}?", "0", "2")
    (item,) = choice_files.read(file(mark + lines(CHOICE, end=end)))
    assert (item.question, item.options, item.right) == (f"{ODD}?", ("0", "1"), 0)


def test_a_table_from_a_spreadsheet(file, tmp_path):
    """Excel's "CSV UTF-8": a mark, CRLF, quoted line breaks, blank rows at the end."""
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([["question", "A", "B", "C", "answer"], [f"{ODD}\n?", 0, 1, "", 0]])
        writer.writerows([["Q2", "x", "y", "z", "b"], ["", "", "", "", ""]])
    first, second = choice_files.read(path)
    assert (first.question, first.options, first.right) == (f"{ODD}\n?", ("0", "1"), 0)
    assert (second.options, second.right) == (("x", "y", "z"), 1)
    assert [number for number, _ in user_files.rows(path)] == [2, 4]


def test_no_id_or_level_is_no_name(file):
    line = MATH | {"id": None, "level": None, "question": "unused"}
    (found,) = task_files.mathematics(file(lines(line)))
    assert (found["question"], found["level"]) == ("1", "file")


LATIN = lines({"problem": "fine", "answer": 1}) + '{"problem": "'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LATIN.encode() + "é".encode("latin-1"), "line 2: expected UTF-8, found byte 0xe9; save"),
        (lines(MATH).encode("utf-16"), "line 1: expected UTF-8, found UTF-16; save it as UTF-8"),
        (lines(MATH).encode("utf-16-le"), "line 1: expected UTF-8, found UTF-16; save it"),
        ("", "found no rows"),
        ("\ufeff \n", "found no rows"),
        (lines(MATH) + "{\n", "line 2: expected JSON, one object per line: .*; correct the line"),
        ("[\n" + lines(MATH) + "]\n", "line 1: expected a JSON object, found an array; write one"),
        (
            json.dumps(MATH, indent=1),
            "line 1: .* at column 1; .* write the whole object on one line",
        ),
        ("[" * 100_000, "line 1: expected JSON, one object per line: .*recursion.*; correct"),
        ("\n[1]\n", "line 2: expected a JSON object, found list; write one object"),
        ('{"problem": "a", "answer": NaN}', "line 1: .*expected a finite number, found NaN"),
        (r'{"problem": "\ud800", "answer": 1}', "line 1: .*half of a character"),
        (
            lines(MATH | {"answer": None}),
            "line 1: expected text or .* for answer, found none",
        ),
        (lines(MATH | {"answer": " "}), 'line 1: expected .* for answer, found " "; the line has'),
        (lines(MATH | {"answer": [1]}), r"line 1: .* for answer, found \[1\]"),
        (lines(MATH | {"answer": True}), "line 1: .* for answer, found true"),
        (lines({"answer": 1}), "line 1: .* for problem or question, found none; .* has answer"),
        (lines(MATH | {"id": 7}, MATH | {"id": "7"}), "line 2: found id '7' again, as in line 1"),
    ],
)
def test_a_line_that_is_no_question_is_named_with_a_remedy(file, content, says):
    path = file(content)
    with pytest.raises(FileError, match=says) as error:
        list(task_files.mathematics(path))
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("question,A,B,answer\nQ,1,2,A,B\n", "line 2: expected 4 fields .*, found 5; put text"),
        ('question,A,B,answer\n"Q\n?",1,2,A\nQ,1\n', "line 4: expected 4 fields .*, found 2"),
        ("question;A;B;answer\nQ;1;2;A\n", "line 1: expected commas .*; save it as CSV"),
        ("question,A,A,answer\nQ,1,2,A\n", "line 1: expected one distinct name per column"),
        ('question,A,B,answer\n"Q,1,2,A\n', "line 2: expected CSV: .*; correct it"),
        ("question,A,B,answer\n", "found no rows"),
        ("question,A,B,C,answer\nQ,1,,3,A\n", "line 2: .* for option 2, found "),
        ("question,A,B,C,D,E,answer\nQ,1,2,3,4,5,A\n", "line 2: found 5 options, allowed: 2 to 4"),
        ("question,A,B,answer\nQ,1,1,A\n", "line 2: found equal options"),
        ("question,A,B,answer\nQ,B,A,A\n", "line 2: found answer 'A', the letter of one"),
    ],
)
def test_a_row_that_is_no_choice_is_named_with_a_remedy(file, content, says):
    with pytest.raises(FileError, match=says):
        choice_files.read(file(content, "mine.csv"))


@pytest.mark.parametrize("options", [["a", None, "b"], "a, b", [["a"], "b"]])
def test_options_that_would_move_the_letters_are_refused(file, options):
    with pytest.raises(FileError, match="line 1: expected"):
        choice_files.read(file(lines({"question": "Q?", "options": options, "answer": "B"})))


def test_a_file_of_another_kind_is_refused_by_name(file):
    with pytest.raises(FileError, match=r"found \.xlsx, allowed: \.jsonl, \.json, \.csv; save it"):
        list(user_files.rows(file(b"PK", "mine.xlsx")))


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone.csv")
    for name, found in (("folder.jsonl", "a folder"), ("link.csv", "nothing")):
        with pytest.raises(FileError, match=f"{name}: expected a file, found {found}; correct"):
            list(user_files.rows(tmp_path / name))


@pytest.mark.parametrize("name", ["mine.JSONL", "mine.json"])
def test_columns_and_suffixes_are_read_in_either_case_and_numbers_as_they_stand(file, name):
    """As in published copies of AIME."""
    content = '{"ID": "2024-I-1", "Problem": "p", "Answer": 0.10000000000000000001}'
    (found,) = task_files.mathematics(file(content, name))
    wanted = {"question": "2024-I-1", "text": "p", "answer": "0.10000000000000000001"}
    assert wanted.items() <= found.items()


def test_a_field_of_a_csv_may_be_long(file):
    (row,) = user_files.rows(file("problem,answer\n" + "x" * 200_000 + ",1\n", "mine.CSV"))
    assert len(row[1]["problem"]) == 200_000


TASK = {
    "question_id": 0,
    "question_content": "Add.",
    "contest_date": "2025-02-01",
    "metadata": json.dumps({"func_name": "f"}),
    "public_test_cases": [{"input": json.dumps(ODD, ensure_ascii=False), "output": "0"}],
    "private_test_cases": [],
}


def test_arguments_of_a_code_task_are_cut_at_line_feeds_only(file):
    (task,) = task_files.code(file(lines(TASK)))
    assert task["question"] == "0"
    assert json.loads(task["public"]) == [{"input": [ODD], "expected": 0}]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": "[1]"},
        {"public_test_cases": [1]},
        {"private_test_cases": "eJw="},
        {"private_test_cases": "eJwDAAAAAAE="},  # packed, and empty
        {"public_test_cases": [{"input": 5, "output": "5"}], "metadata": "{}"},
    ],
)
def test_a_task_that_cannot_be_read_is_named(file, change):
    with pytest.raises(FileError, match="line 1: expected the fields of LiveCodeBench, found"):
        list(task_files.code(file(lines(TASK | change))))


def test_a_date_of_another_form_is_refused_and_no_function_is_none(file):
    with pytest.raises(FileError, match="line 1: expected contest_date as year-month-day, found"):
        list(task_files.code(file(lines(TASK | {"contest_date": "01/02/2025"})), "2025-01-01"))
    metadata = {"metadata": json.dumps({"func_name": None})}
    (task,) = task_files.code(file(lines(TASK | metadata)))
    assert (task["kind"], task["function"]) == ("stdin", "")


def test_a_date_that_leaves_no_task_is_named(file):
    path = file(lines(TASK | {"contest_date": None}))
    code = {"file": str(path), "since": "2025-01-01", "questions": 5, "steps": 3}
    math = {"file": None, "questions": 1, "steps": [2]}
    with pytest.raises(FileError, match=r"no question .* 2025-01-01 on; change .*code\.since"):
        questions.table({"math": math, "code": code}, 0)
