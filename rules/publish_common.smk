"""What the rules of scorecard, report and archive read of the studies."""

from pathlib import Path

from workflow_scripts.inference import kinds, readings
from workflow_scripts.models.registry import models_of, studies_of, studies_with


def replies_by_study(name):
    """A model's tables of requests and replies, by study."""
    return {study: reply_tables(study, name) for study in studies_with(config, name)}


# The models of a study that the workflow did not train: the claims hold for them or fail.
ANSWERED = [
    name
    for name, spec in config["models"].items()
    if spec["source"] != "train" and studies_with(config, name)
]
ANSWERED_REPLIES = {name: replies_by_study(name) for name in ANSWERED}
# What each model was asked for in text, by the studies that do so.
TEXTS = [
    {"study": study, "model": name}
    for study in readings.studies()
    if study in studies_of(config)
    for name in models_of(config, study)
]
READABLE = expand("results/{each[study]}/replies/{each[model]}.parquet", each=TEXTS)


def texts_asked(wildcards):
    """The same with the tables of each model's replies, and what it is asked, by its kind."""
    return [
        {
            **each,
            "tables": reply_tables(each["study"], each["model"]),
            "of_model": kinds.asked(config, each["study"], each["model"]),
        }
        for each in TEXTS
    ]


def texts_of_models(wildcards):
    """The tables with the replies of every model."""
    return [path for each in texts_asked(wildcards) for path in each["tables"]]


def tables_by_model(wildcards):
    """Each model's tables of requests and replies by study; what they cost is on the first page."""
    found = {name: replies_by_study(name) for name in config["models"]}
    return {name: tables for name, tables in found.items() if tables}


def report_texts(wildcards):
    """The captions of the run's figures, and what each study says of itself."""
    figures = [Path(path) for path in study_outputs(wildcards) if path.endswith(".png")]
    texts = [f"resources/captions/{path.parts[1]}/{path.stem}.rst" for path in figures]
    texts += [f"workflow_scripts/{study}/README.md" for study in studies_of(config)]
    return [project_file(path) for path in texts if (Path(workflow.basedir) / path).is_file()]


def model_pages(wildcards):
    """What there is to read about each model: its answers, or the card of a stand-in."""
    answers = rules.publish_answers.output.pages if ANSWERED else []
    return [*answers, *(path for path in rules.models.input if path.endswith("card.md"))]
