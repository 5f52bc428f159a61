"""Which items are trained on and which are kept for the test."""

from zlib import crc32

TEST_SHARE = 0.1


def belongs(item: str, split: str) -> bool:
    """Whether an item, written as text, is of `split` ("train" or "held_out").

    The item itself decides, so the two splits share none, whatever the seed.
    """
    held_out = crc32(item.encode()) % 1000 < 1000 * TEST_SHARE
    return held_out == (split == "held_out")
