"""A job that dies at critical moments, and the job after it.

The child is a fork that runs the whole rule script and kills itself; the parent runs it again and
counts what was computed twice.
"""

import os
import signal

import pyarrow.parquet as pq
import pytest
import torch

from tests.faults import children
from tests.inference import tiny
from workflow_scripts.inference import engines, generate
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.store import Store
from workflow_scripts.shared import schemas, tables

torch.set_num_threads(1)
DRAWS, SCORES = 60, 6


def rows():
    words = tiny.WORDS.split()
    return table(
        request(
            f"{i}",
            prompt=" ".join(words[: i + 2]),
            n=10,
            temperature=1.0,
            max_tokens=16,
            seed=i,
            choices=["A", "B"],
        )
        for i in range(6)
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("kills") / "model")


@pytest.fixture(scope="module")
def undisturbed(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    here = os.getcwd()
    os.chdir(folder)
    try:
        return job(checkpoint, noting=[])
    finally:
        os.chdir(here)


def job(checkpoint, noting):
    """The rule's script; `noting` gets each batch of keys that the engine computed."""
    load = engines.load

    def noticed(*args, **options):
        engine = load(*args, **options)
        run = engine.run

        def noted(tasks):
            for batch in run(tasks):
                noting.append([(record["request_id"], record["sample"]) for record in batch])
                yield batch

        engine.run = noted
        return engine

    tables.write(rows(), "requests.parquet", schemas.REQUESTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load", noticed)
        generate.main(
            "requests.parquet", "responses.parquet", "tiny", tiny.SPEC, str(checkpoint), 512
        )
    return tables.read("responses.parquet", schemas.RESPONSES)


class FileList:
    """A list whose items survive the end of their writer."""

    def __init__(self, path):
        self.path = path

    def append(self, keys):
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(";".join(f"{name},{sample}" for name, sample in keys) + "\n")

    def read(self):
        if not self.path.exists():
            return []
        pairs = [[pair.split(",") for pair in line.split(";")] for line in self.path.open()]
        return [[(name, int(sample)) for name, sample in batch] for batch in pairs]


def at_first_item(patch, die):
    def append(_store, _batch):
        die()

    patch.setattr(Store, "append", append)


def mid_batch(patch, die):
    from workflow_scripts.inference.decoding import _Loop

    step, steps = _Loop._step, []

    def counted(loop):
        steps.append(1)
        if len(steps) == 40:
            die()
        step(loop)

    patch.setattr(_Loop, "_step", counted)


def mid_line(patch, die):
    write, writes = os.write, []

    def half(descriptor, data):
        writes.append(1)
        if len(writes) == 3:
            write(descriptor, data[: len(data) // 2 + 7])
            die()
        return write(descriptor, data)

    from workflow_scripts.inference import store

    patch.setattr(store.os, "write", half)


def final_write(patch, die):
    whole = pq.ParquetWriter.write_table

    def half(writer, written):
        if written.num_rows == DRAWS:
            with open(writer.where, "ab") as stream:
                stream.write(b"PAR1 half a table")
            die()
        whole(writer, written)

    patch.setattr(pq.ParquetWriter, "write_table", half)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name
)
@pytest.mark.parametrize("fault", [at_first_item, mid_batch, mid_line, final_write])
def test_a_killed_job_ends_as_an_undisturbed_one(
    checkpoint, undisturbed, tmp_path, monkeypatch, fault, number
):
    monkeypatch.chdir(tmp_path)
    log = FileList(tmp_path / "computed")
    ended = children.killed(fault, number, lambda: job(checkpoint, log))
    assert ended == (130 if number == signal.SIGINT else -number)
    assert not (tmp_path / "responses.parquet").exists()
    before = log.read()
    [folder] = [*(tmp_path / "work" / "responses").iterdir()]
    stored = Store(folder)

    again: list = []
    assert job(checkpoint, again).equals(undisturbed)
    recomputed = {key for batch in again for key in batch}
    assert len(recomputed) == DRAWS + SCORES - len(stored)
    twice = recomputed & {key for batch in before for key in batch}
    assert len(twice) <= max(len(batch) for batch in before)
    if fault is final_write:
        assert not again
    if fault is mid_line:
        assert stored.torn == 1

    third: list = []
    assert job(checkpoint, third).equals(undisturbed)
    assert not third
