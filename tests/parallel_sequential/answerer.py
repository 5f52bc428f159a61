"""An artificial answerer in the form of an embedded model, with known habits.

It answers correctly with probability `skill`; with earlier answers in view it repeats the last one
with probability `copies`. It counts requests, so that a test can check that a second run sends
none, and keeps the turns of each.
"""

import json

from workflow_scripts.inference.engines import Draw
from workflow_scripts.models.corpora import arithmetic
from workflow_scripts.shared import seeds


class Answerer:
    name = "answerer"
    engine = "script"
    dtype = "none"
    version = "1"

    def __init__(self, truths, skill, copies=0.0):
        self.truths, self.skill, self.copies = truths, skill, copies
        self.identity = {"skill": skill, "copies": copies}
        self.asked = 0
        self.turns = {}  # by request

    def run(self, tasks):
        for task in tasks:
            self.asked += 1
            if isinstance(task, Draw):
                yield [self.draw(task)]
            else:
                choices = json.loads(task.request["choices"])
                yield [self.record(task, -1) | {"choice_logprobs": [-1.0] * len(choices)}]

    def record(self, task, sample):
        base = {"request_id": task.request["request_id"], "sample": sample}
        return base | {"prompt_tokens": 10, "logprobs": []}

    def draw(self, task):
        rng = seeds.generator(task.request["seed"], task.request["request_id"], task.sample)
        turns = json.loads(task.request["messages"])
        self.turns[task.request["request_id"]] = turns
        truth = int(self.truths[turns[0]["content"]])
        earlier = [t["content"] for t in turns[1:] if t["role"] == "assistant"]
        if earlier and rng.random() < self.copies:
            text = earlier[-1]
        elif rng.random() < self.skill:
            text = arithmetic.final(truth)
        else:
            text = arithmetic.final(truth + int(rng.integers(1, 200)))
        more = {"text": text, "finish_reason": "stop", "completion_tokens": 4}
        return self.record(task, task.sample) | more
