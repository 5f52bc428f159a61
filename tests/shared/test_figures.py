"""Figures are saved as PNG and vector PDF, the same bytes each time."""

import pytest
from matplotlib.figure import Figure

from workflow_scripts.shared import figure_text, figures


def draw(path):
    import matplotlib.pyplot as plt

    figures.use_style()
    figure, axes = plt.subplots(figsize=(figures.COLUMN_IN, 2))
    axes.errorbar([1, 2], [0.5, 0.4], yerr=[0.1, 0.05], color=figures.COLOURS["blue"])
    axes.plot([1], [0.6], **figures.PUBLISHED)
    figure_text.note(figure, "stand-in models", "m")
    figures.save(figure, path)


def test_same_figure_same_bytes(tmp_path):
    for run in ("a", "b"):
        draw(tmp_path / run / "figure.png")
    for suffix, magic in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        first, second = (
            (tmp_path / run / "figure.png").with_suffix(suffix).read_bytes() for run in ("a", "b")
        )
        assert first.startswith(magic)
        assert first == second
        assert b"CreationDate" not in first


def test_a_saved_figure_is_closed(tmp_path):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw(tmp_path / "figure.png")
    assert plt.get_fignums() == before


def test_a_figure_says_which_models_it_leaves_out(tmp_path):
    import matplotlib.pyplot as plt

    models = figures.Models.of(
        {name: {"place": 0, "stand_in": False} for name in ("m", "m-2", "gone")}
    )

    def told(*named):
        figure, axes = plt.subplots()
        axes.set_title(", ".join(named))
        figures.name_absent(figure, models)
        figures.save(figure, tmp_path / "figure.png")
        return [legend.get_title().get_text() for legend in figure.legends]

    assert told("m", "m-2") == ["no values in this run: gone"]
    assert told("m-2") == ["no values in this run: m, gone"]
    assert told("m", "m-2", "gone") == told("about heads") == []


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "figure.png"
    draw(path)
    before = path.read_bytes()

    class Broken(Figure):
        def savefig(self, temporary, **_):
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        figures.save(Broken(), path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"figure.png", "figure.pdf"}


def test_notes_share_a_line_and_are_not_repeated(tmp_path):
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots()
    for text, item in (("stand-ins", "a"), ("digits", ""), ("stand-ins", "b"), ("stand-ins", "a")):
        figure_text.note(figure, text, item)
    figures.save(figure, tmp_path / "figure.png")
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "stand-ins: a, b\ndigits"


def contrast(first, second):
    """Contrast ratio of WCAG 2.2, written out from its definition."""
    from matplotlib.colors import to_rgb

    def luminance(colour):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["PuOr_r", "Blues", "Oranges_r", "viridis"])
def test_text_in_a_cell_can_be_read(name):
    """At least 4.5, which WCAG asks of small text; black or white always reaches it."""
    from matplotlib import colormaps

    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        cell = colormaps[name](share)
        assert contrast(figure_text.ink(cell), cell[:3]) >= 4.5


def test_no_colour_of_a_model_is_one_of_conditions():
    models = {figures.model_colour(place) for place in range(12)}
    assert len(models) == 12
    assert models & set(figures.COLOURS.values()) == set()
