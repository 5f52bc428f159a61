"""Figures are saved as PNG and vector PDF, the same bytes each time."""

import pytest

from workflow_scripts.shared import figures


def draw(path):
    import matplotlib.pyplot as plt

    figures.use_style()
    figure, axes = plt.subplots(figsize=(figures.COLUMN_IN, 2))
    axes.errorbar([1, 2], [0.5, 0.4], yerr=[0.1, 0.05], color=figures.COLOURS["blue"])
    axes.plot([1], [0.6], **figures.PUBLISHED)
    figures.mark_stand_in(axes)
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


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "figure.png"
    draw(path)
    before = path.read_bytes()

    class Broken:
        def savefig(self, temporary, **_):
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        figures.save(Broken(), path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"figure.png", "figure.pdf"}
