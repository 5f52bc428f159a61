"""What the study asks of a model: options in both turns, by log-probability or by replies."""

from typing import Any

import pandas as pd

from workflow_scripts.change_of_mind import questions, turns
from workflow_scripts.inference import kinds
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Count, Part, asked, records, sampled

CITIES = ROOT / "resources/change_of_mind/cities.csv"
PLACES = "results/models/corpus/places.parquet"


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """Every question once, then once per cell."""
    study, told = config["change_of_mind"], kinds.asked(config, "change_of_mind", name)
    frame = _questions(study, told, config["seed"])
    accuracies, seed = tuple(study["accuracies"]), config["seed"]
    plan = turns.plan_of(told, accuracies, study["questions"], study["temperature"], seed)
    first = asked("change_of_mind_ask", records(turns.first_turn(frame, plan)), count)
    # The letters chosen in turn 1 change no number of tokens.
    cells = list(turns.cells(frame, dict.fromkeys(frame["question"], 0), plan))

    def tokens(place: tuple[Any, turns.Cell]) -> int:
        row, cell = place
        shown = count.turns(plan.wording.second(row["text"], turns.showing(cell)))
        options = () if plan.reply_tokens else plan.wording.options[: row["options"]]
        return shown + sum(map(count.text, options))

    replies = plan.draws * len(cells)
    return [
        first._replace(
            requests=first.requests + len(cells),
            prompts=first.prompts + replies,
            prompt_tokens=first.prompt_tokens + sampled(cells, tokens),
            replies=first.replies + (replies if plan.reply_tokens else 0),
            reply_tokens=first.reply_tokens + replies * plan.reply_tokens,
            thinks=told["thinks"],
        )
    ]


def _questions(study: dict[str, Any], told: dict[str, Any], seed: int) -> pd.DataFrame:
    """The questions of the model's world, as rule `change_of_mind_questions` writes them."""
    if told["kind"] == kinds.EMBEDDED:
        world, atlas = "embedded", questions.embedded_atlas(tables.read(PLACES))
    else:
        world = "cities-difficult" if told["difficult"] else "cities"
        offset = study["foils"]["difficult" if told["difficult"] else "offset"]
        atlas = questions.city_atlas(pd.read_csv(CITIES, comment="#"), offset)
    share, files = study["calibration_share"], study["files"]
    return questions.table(world, atlas, study["questions"], share, files, seed)
