"""What a server does, found out with a few tiny requests before anything else is asked.

A dialect says what a server accepts. What it does with it shows only in its replies, so the probe
sends requests as studies send them. `probe_facts` reads the replies; `probe_needs` says what a
server cannot answer. Replies are kept in `work/probe/`: the same question is paid for once.
"""

from typing import Any

from workflow_scripts.inference import openai_payload, probe_facts
from workflow_scripts.inference.probe_asker import Answer, Asker
from workflow_scripts.inference.requests import request
from workflow_scripts.inference.tasks import Draw, Score
from workflow_scripts.shared import files, job

DRAWS, TOKENS, GREEDY_TOKENS = 8, 8, 24
LISTED = (20, 5)  # likeliest tokens to ask for; some servers list five at most
NONSENSE = "Write a nonsense sentence."  # many tokens can follow at each position
COUNTING = "Count from 1 to 30, with a blank between two numbers."
OPTIONS = ("A", "B")


def main(probe: str, model: str, spec: dict[str, Any]) -> None:
    """Probe the server of a model and write what it does. `spec` is the model's entry."""
    files.write_json(probe, ask(model, spec))


def ask(name: str, spec: dict[str, Any], again: bool = False) -> dict[str, Any]:
    """What the server of model `name` does: its `dialect`, the `facts`, and the `cost` of asking.

    With `again`, kept replies are not used. Raises `EngineError` if the server cannot be reached
    or answers none of the requests.
    """
    with Asker(name, spec, again) as asker:
        facts = probe_facts.facts(spec, _replies(asker, spec))
        cost = vars(asker.cost())
    told = {key: fact._asdict() for key, fact in facts.items()}
    return {"dialect": spec["server"]["dialect"], "facts": told, "cost": cost}


def _replies(asker: Asker, spec: dict[str, Any]) -> dict[str, list[Answer]]:
    """The replies to each question, by its name."""

    def stated(row: dict[str, Any]) -> bool:
        return openai_payload.refusal(spec, row) is None

    tries = _first(asker)
    more = tries[-1]["more"]
    drawn = _drawn(more)
    found = {"tries": tries, "draws": tries[-1:]}
    if len(probe_facts.choices(tries[-1])) < DRAWS:
        more = {key: value for key, value in more.items() if key != "n"}
        drawn = _drawn(more)
        found["draws"] = [asker.send(drawn, sample, more) for sample in range(2)]
    found["again"] = [asker.send(drawn, 0, more, copy=1)]

    greedy = _row("greedy", 0.0, GREEDY_TOKENS)
    if stated(greedy):
        found["greedy"] = [asker.send(greedy, 0)]
        if stop := probe_facts.middle(probe_facts.text(found["greedy"][0])):
            found["stop"] = [asker.send(_row("greedy", 0.0, GREEDY_TOKENS, stop=[stop]), 0)]
        if not any("reply" in answer for answer in found.get("stop", [])):
            found["repeat"] = [asker.send(greedy, 1)]
    for name, value in (("top_p", 0.01), ("top_k", 1)):
        narrow = _row(name, 1.0, TOKENS, **{name: value})
        if stated(narrow):
            found[name] = [asker.send(narrow, 0)]
    found["open"] = [_open(asker, spec)]
    if openai_payload.able(spec).options:
        for name, echo in (("options", False), ("prompts", True)):
            scored = _row(name, 0.0, 0, choices=OPTIONS, echo_logprobs=echo)
            if stated(scored):
                found[name] = [asker.do(Score(scored))]
    if probe_facts.undecided(found):
        tokens = TOKENS if "n" in more else DRAWS * TOKENS
        found["hot"] = [asker.send(_row("hot", probe_facts.HOT, tokens), 0, more)]
    return found


def _row(name: str, temperature: float, tokens: int, **more: Any) -> dict[str, Any]:
    turns = more.pop("messages", [{"role": "user", "content": NONSENSE}])
    fields: dict[str, Any] = {"temperature": temperature, "max_tokens": tokens, "seed": 0} | more
    return request(f"probe, {name}", messages=turns, **fields)


def _drawn(more: dict[str, Any]) -> dict[str, Any]:
    """The request for draws: short ones with `n`, else longer ones, of which two are sent."""
    return _row("draws", 1.0, TOKENS if "n" in more else DRAWS * TOKENS // 2)


def _first(asker: Asker) -> list[Answer]:
    """Ask for draws with `n` and log-probabilities, then with what the server accepts of these."""
    wishes: list[dict[str, Any]] = []
    for size in LISTED:
        listed = asker.listed(_drawn({}), size)
        wishes += [{"n": DRAWS} | listed, listed]
    tries: list[Answer] = []
    for more in [*wishes, {"n": DRAWS}, {}]:
        tries.append(asker.send(_drawn(more), 0, more, needed=not more))
        if "reply" in tries[-1]:
            break
    return tries


def _open(asker: Asker, spec: dict[str, Any]) -> Answer:
    turns = [
        {"role": "user", "content": COUNTING},
        {"role": "assistant", "content": probe_facts.BEGINNING},
    ]
    begun = _row("open turn", 0.0, probe_facts.OPEN_TOKENS, messages=turns)
    if openai_payload.refusal(spec, begun) is None:
        return asker.do(Draw(begun, 0))
    return asker.send(begun, 0)


if __name__ == "__main__":
    job.run(snakemake, main)
