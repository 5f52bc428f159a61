"""Figures of the regressions with a model that was not measured."""

from workflow_scripts.change_of_mind import figures_models
from workflow_scripts.change_of_mind.figures_common import Data
from workflow_scripts.change_of_mind.published import read_tables
from workflow_scripts.shared import figures, scores
from workflow_scripts.shared.fingerprint import ROOT


def test_a_model_without_transfer_gets_empty_panels_that_say_so():
    row = scores.mean("E1", "other", [1.0, 2.0], model="a", display="", advice="", accuracy="")
    published = sorted((ROOT / "resources/published").glob("change_of_mind_*.csv"))
    models = figures.Models.of({"a": {"place": 0, "stand_in": False}})
    table = scores.table([[row]], ["display", "advice", "accuracy"])
    figure = figures_models.transfer(Data(table, read_tables(published), models, {}))
    texts = [text.get_text() for panel in figure.axes for text in panel.texts]
    assert texts.count("not measured in this run") == 2
