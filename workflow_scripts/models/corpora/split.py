"""The split of items into training and test."""

from zlib import crc32

TEST_SHARE = 0.1


def belongs(item: str, split: str) -> bool:
    """Whether an item, written as text, belongs to `split` ("train" or "held_out").

    A hash of the item decides, so the splits are disjoint whatever the seed.
    """
    held_out = crc32(item.encode()) % 1000 < 1000 * TEST_SHARE
    return held_out == (split == "held_out")
