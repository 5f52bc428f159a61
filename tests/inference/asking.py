"""Requests to a mock server, and what they leave behind."""

import json

from tests.inference import hostile
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.store import Store

QUICK = {
    "dialect": "plain",
    "concurrency": 4,
    "requests_per_min": 600000,
    "timeout_s": 0.5,
    "attempts": 8,
    "longest_wait_s": 0.05,
    "limits": {"requests": None, "tokens": None, "cost": None},
}


def load(server, **settings):
    """The engine on a server's address. `settings` go to the model, or to its `server`."""
    model = ("source", "kind", "thinking", "chat_template")
    mine = {key: settings.pop(key) for key in model if key in settings}
    spec = {"source": hostile.MODEL, "engine": "openai", **mine}
    return engines.load("served", spec | {"server": QUICK | {"url": server.url} | settings}, "")


def rows(items=6, n=4, **fields):
    settings = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "seed": 3} | fields
    return table(
        request(f"{i}", messages=[{"role": "user", "content": f"question {i}"}], n=n, **settings)
        for i in range(items)
    )


def ask(server, asked, **settings):
    engine = load(server, **settings)
    return runner.generate(asked, engine, runner.store_of(engine))


def stored(server, **settings):
    return dict(Store(runner.store_of(load(server, **settings))))


def spent(folder):
    [path] = (folder / "work" / "spending").rglob("spent.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {key: sum(line[key] for line in lines) for key in lines[0]}
