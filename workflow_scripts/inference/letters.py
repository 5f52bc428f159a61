"""The letter that a reply states, and how likely one is at most that a server does not list."""

import math
import re
from collections.abc import Collection, Sequence

from workflow_scripts.inference import numbers

WEIGHT = re.compile(r"\b([A-Z])\b[^\w\n]{0,4}\d+(?:\.\d+)?\s*%")
EVERY_LETTER = re.compile(
    r"\b[A-Z](?:\s*,\s*[A-Z]\b)+,?\s*(?:and|or|&)\s+[A-Z]\b|\bA (?:to|through) [A-Z]\b"
)
# "A" before a word is the article, unless that word follows a name ("A is closer").
ARTICLE = re.compile(
    r"[ \t]+(?!(?:or|and) [A-Z]\b|(?:is|was|because|since|as|seems)\b)[\"']?[A-Za-z]\w"
)
LETTER = re.compile(r"(?<![\w'-])([A-HJ-Z])(?![\w'])")  # "I" is a word
NONE, SEVERAL, EMPTY, OUTSIDE = "no letter", "several letters", "empty", "outside the support"


def letter(reply: str, offered: Sequence[str]) -> tuple[int | None, str | None]:
    """The index in `offered` of the letter that the reply states, or None and why there is none.

    A reply that names several of the letters offered is not read.
    """
    text = numbers.plain(reply)
    if not text:
        return None, NONE if text == "" and re.search(r"\w", reply) else EMPTY
    if marked := list(numbers.FINAL_MARK.finditer(text)):
        text = text[marked[-1].end() :]
    if bare := re.fullmatch(r"\W*([A-Za-z])\W*", text):
        found = [bare[1].upper()]
    else:
        weighted = WEIGHT.findall(text)
        text = EVERY_LETTER.sub(" ", WEIGHT.sub(" ", text))
        found = []
        for each in LETTER.finditer(text):
            after = text[each.end() :]
            name = each[1] not in offered and re.match(r"\s*[=≈:]", after)  # X = B
            if not name and not (each[1] == "A" and ARTICLE.match(after)):
                found.append(each[1])
        if not found and len(weighted) == 1:  # A (40%)
            found = weighted
    if not found:
        return None, NONE
    inside = [each for each in dict.fromkeys(found) if each in offered]
    # "B B" is a list; "B. The letter is B." is not.
    if len(inside) > 1 or (len(found) > 1 and not re.search(r"[a-z]{2}", text)):
        return None, SEVERAL
    if not inside:
        return None, OUTSIDE
    return offered.index(inside[0]), None


def unlisted(listed: Collection[float]) -> float:
    """The largest log-probability of an option that is not among the likeliest ones, `listed`.

    It is no likelier than the least likely of them, nor than all other options together.
    """
    rest = 1 - math.fsum(map(math.exp, listed))
    return min([*listed, math.log(rest)] if rest > 0 else listed, default=0.0)
