"""Numbers that a reply states: the one number, or the list of numbers.

Only what is stated unambiguously is read. A number that merely occurs in the text (a range, a
number of draws, "Python 3") is not an answer: to misread a reply is worse than to read nothing.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from workflow_scripts.inference import replies

NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w]|\.\d|\s?%)"
)
EMPTY, NO_NUMBER, SEVERAL, NO_LIST = "empty", "no number", "several numbers", "no list"

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
UNITS += " fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: value for value, word in enumerate(UNITS.split())}
SMALL |= {word: 10 * value for value, word in enumerate(TENS.split(), start=2)}
WORD = "|".join([*SMALL, "hundred", "thousand"])
WORDED = re.compile(rf"\b(?:{WORD})(?:(?:[\s-]+|\s+and\s+)(?:{WORD}))*\b", re.IGNORECASE)

WORD_BEFORE = re.compile(rf"\b(?:{WORD})\W*\(\W*\Z", re.IGNORECASE)  # Seven (7)

ASIDE = "¤"  # stands for an aside that was left out
ONE = r"[-+]?\d+(?:\.\d+)?"
KIND = (
    r"(?:random(?:ly)?|independent(?:ly)?|uniform(?:ly)?|normal(?:ly)?|gaussian|standard|equally|"
    r"likely|different|distinct|decimal|significant|single|such|more|of|the|real|generated|drawn|"
    r"distributed|iid|i\.i\.d\.|requested|separate|new|these|possible|sampled|pseudo-?random|place)"
)
COUNTED = (
    r"(?:digits?|numbers?|draws?|samples?|values?|decimals?|integers?|letters?|options?|items?|"
    r"entries|elements|outcomes?|places?|steps?|times|terms?|ones|figures|d\.?p\b\.?|sig)"
)
# What a reply repeats from its question, or says about the distribution.
ASIDES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # {0, 1, ..., 9}
        rf"[\[{{(]?{ONE}\s*,(?:\s*{ONE}\s*,)*\s*(?:\.{{3}}|…|\\[lcd]?dots)\s*,?\s*{ONE}[\]}})]?",
        # N(0, 1), Uniform[0, 1], random.randint(0, 9)
        rf"(?<!\w)(?:[a-z]+\.)*(?:n|u|unif|uniform|normal|norm|gauss|randint|choice|random)\s*"
        rf"[(\[]\s*(?:[a-z]+\s*=\s*)?{ONE}\s*,\s*(?:[a-z]+\s*=\s*)?{ONE}\s*[)\]]",
        # from 0 to 9, between 0 and 1, on [0, 1], in the interval (0, 1)
        rf"(?:\b(?:from|between|range|ranging|in|on|over|within|interval|inclusive|uniform|"
        rf"distribution)|∈)[^\w:{ASIDE}\n]*(?:the\s+)?(?:(?:interval|range|set)[^\w:{ASIDE}\n]*)?"
        rf"[\[({{]?\s*{ONE}\s*"
        rf"(?:to|and|through|until|,|-|–|\.\.)\s*{ONE}(?![\d.]*\d)\s*[\])}}]?",
        rf"(?<![\d.,])\(?{ONE}\s+(?:to|through)\s+{ONE}(?!\d)\)?",
        r"(?<![\d.,-])\(?\d+[-–]\d+(?![\d.]|\s*[-–,]\s*\d)\)?",
        rf"{ONE}\s*(?:<=?|≤|\\leq?)\s*\w+\s*(?:<=?|≤|\\leq?)\s*{ONE}",
        # mean 0, variance = 1, μ = 0, σ² = 1
        rf"(?:\b(?:mean|variance|standard deviation|std(?:ev)?|sd|sigma|mu|expectation)|[μσ])[²2]?"
        rf"\s*(?:\(\w+\)\s*)?(?:of|=|is|:|equal to)?\s*{ONE}(?!\d)",
        # f(x) = 1, the probability of ... is about 0.7
        rf"\bf\s*\([^()]*\)\s*=\s*{ONE}(?!\d)",
        rf"\b(?:probability|density|likelihood)\b"
        rf"[^\n.!?]*?(?:\bis|=|≈)[^\d\n.!?]{{0,20}}{ONE}(?!\d)",
        # probability 1/10, P(X = k) = 0.1, 1 in 10, density 1
        rf"\bp\s*\([^()]*\)\s*=\s*(?:\d+\s*/\s*\d+|{ONE}(?!\d))",
        r"\b(?:p|prob\w*|chance|likelihood|density|weights?)\b[^\d\n]{0,24}"
        r"(?:\d+\s*/\s*\d+|\d+(?:\.\d+)?(?!\d)\s*%?)",
        r"\b\d+\s*(?:in|out of)\s+(?:a\s+)?\d+\b",
        r"(?<![\w.])[01]\s+(?:with|otherwise|if\b)",
        r"\ba\s+\d+/\d+\s+chance\b",
        # rounded to 3 decimals, 4 random digits, 2 decimal places
        r"\(?(?:rounded\s+)?(?:to|with|at|using)\s+(?:exactly\s+|up to\s+)?\d+\s*-?\s*"
        r"(?:decimals?|digits?|places|d\.?p\b\.?|significant)(?:\s+(?:places?|digits?|figures))?\)?",
        rf"(?<![\w.])\d+[ -]+(?:{KIND}[ ,]+)*{COUNTED}(?!\w)(?!\s+(?:is|was)\b)",
    )
]
FINAL_MARK = re.compile(
    r"\bdraw\b[^\w\n]*:|\b(?:final (?:answer|draw|number|digit|choice|pick|result|value)|answer)\b"
    r"[^\w\n]*(?::|\bis\b[^\w\n]*:?)",
    re.IGNORECASE,
)
CALLED = (
    r"(?:is|was|be|pick(?:ed)?|chose|choose|draw|drew|drawn|select(?:ed)?|generat(?:e|ed)|roll(?:ed)?"
    r"|got|get|say|go(?:ing)? with|returns?|it's|number|digit|value|answer|result|output|about"
    r"|roughly|approximately|around|sample|(?:settled?|land(?:s|ed)?|decided) on|gives?|yields?"
    r"|equals|exactly)"
)
STATED_BEFORE = re.compile(rf"(?:[:=≈~→⇒]|-->?|\b{CALLED})[^\w{ASIDE}.!?,;]*\Z", re.IGNORECASE)
PAUSE_BEFORE = re.compile(rf"[.!?,;…—–][^\w{ASIDE}]*\Z")  # "Sure thing, 7."
ENDS_AFTER = re.compile(r"\A\W*(?:\Z|\n|[.!?;(])")
OPENERS = re.compile(
    r"\A\W*(?:sure|ok(?:ay)?|alright|certainly|of course|absolutely|yes|here|hm+|um+|well|right"
    r"|then|so|and|great|got it)\W*\Z",
    re.IGNORECASE,
)
STATED_AFTER = re.compile(
    rf"\A\W*(?:\Z|[.!?,;:(—–{ASIDE}-]|(?:is|was|it|would|seems|feels|because|as|has|i|here)\b)",
    re.IGNORECASE,
)


CALLS = re.compile(
    r"^.*\b(?:[A-Za-z_]\w*\.[A-Za-z_.]+|print|round|int|float|range|sample)\(.*$", re.MULTILINE
)


def plain(reply: str) -> str | None:
    """The text after the thoughts, without mark-up and code; None if the thoughts did not finish.

    Boxes are opened, and all minus signs are "-".
    """
    text = replies.spoken(reply)
    if text is None:
        return None
    text = re.sub(r"```[ \t]*(?:python|py|python3|js|javascript|r|bash)\b.*?(?:```|\Z)", "\n", text,
                  flags=re.DOTALL | re.IGNORECASE)  # fmt: skip
    text = re.sub(r"```[ \t]*(?:json|text|plaintext|txt|csv|yaml|output)?[ \t]*$", "", text,
                  flags=re.MULTILINE | re.IGNORECASE)  # fmt: skip
    text = CALLS.sub("", text)
    text = re.sub(r"</?[A-Za-z_]\w+/?>|<br ?/?>", " ", text)
    text = re.sub(
        r"\\(?:text(?:bf)?|math(?:bf|rm|cal|it)|operatorname)\s*\{([^{}]*)\}", r"\1", text
    )
    text = re.sub(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"(?<=\d)[*_]+(?=\d)", " * ", text)  # 0.5*1 is no mark-up
    text = re.sub(r"\\[()\[\],;!]|\\quad|[\u200b\ufe0f\u20e3]", " ", text)
    text = text.replace("\\approx", "≈").replace("\\sim", "~").replace("\\rightarrow", "→")
    text = text.replace("\u2212", "-").replace("\u2012", "-").replace("\u2011", "-")
    text = text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ")
    text = re.sub(r"(?<![\d\s])\u2013(?=\.?\d)|(?:(?<=\s)|\A)\u2013(?=\.?\d)", "-", text)
    return re.sub(r"[*`_$]+", "", text).strip()


def box(reply: str) -> str | None:
    """The content of the last box of a reply; None without a box."""
    found = re.findall(r"\\(?:boxed|fbox)\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", reply)
    return found[-1].strip() if found else None


def without_asides(text: str) -> str:
    """The text without what it repeats of its question: ranges, numbers of draws, probabilities."""
    for aside in ASIDES:
        text = aside.sub(f" {ASIDE} ", text)
    return text


def one(reply: str, signed: bool = True) -> tuple[str | None, str]:
    """The one number that a reply states, as written, and "" — or None and why there is none.

    A box counts before all else, then a final mark ("Draw:", "Final answer:"), a number in bold and
    one on a last line of its own. Otherwise the reply must state one number only. `signed`: the
    number may be negative, so a "- " before it is ambiguous.
    """
    spoken = replies.spoken(reply)
    if not spoken:
        return None, EMPTY
    if (boxed := box(spoken)) is not None:
        return _only(plain(boxed) or "", signed)
    text = plain(reply) or ""
    if not text:
        return None, NO_NUMBER if re.search(r"\w", spoken) else EMPTY
    marks = list(FINAL_MARK.finditer(text))
    if marks:
        after = text[marks[-1].end() :].strip()
        line, _, rest = after.partition("\n")
        first = _only(line, signed)
        return first if first[0] is not None and _prose(rest) else _only(after, signed)
    found = _only(text, signed)
    if found[1] != SEVERAL:
        return found
    bold, own = _bold(spoken), _own_line(text)
    for place in ([*bold] if len(bold) == 1 else []) + ([own] if own else []):
        if (stated := _only(place, signed))[0] is not None:
            return stated
    return found


def _bold(text: str) -> list[str]:
    """Numbers in bold, which hold nothing else."""
    return [
        each for each in re.findall(r"\*\*([^*\n]+)\*\*", text) if _is_number(plain(each) or "")
    ]


def _own_line(text: str) -> str | None:
    """The last line, if it is the only one that holds a number and nothing else, after prose."""
    *before, last = text.splitlines()
    alone = _is_number(last) and not any(map(_is_number, before)) and _prose("\n".join(before))
    return last if alone else None


def _prose(text: str) -> bool:
    return not re.search(r"\d", text) or len(re.findall(r"[A-Za-z]{2,}", text)) > 2


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text.strip(" \t.!\"'()[]")) is not None


def _only(text: str, signed: bool = True) -> tuple[str | None, str]:
    """The one number of a text without mark-up; `signed`: a "- " before it may be a minus."""
    text = _signed(text)
    text = _decimal_commas(text)
    left = without_asides(text)
    found = list(NUMBER.finditer(left))
    if not found:
        return _worded(left)
    if any(_in_expression(left, each) for each in found):
        return None, SEVERAL if len(found) > 1 else NO_NUMBER
    values = {float(each[0]) for each in found}
    if len(values) > 1:
        return None, SEVERAL
    for first, second in pairwise(found):
        if not re.search(r"[A-Za-z]{2}", left[first.end() : second.start()]):
            return None, SEVERAL  # "7 7": a list
    bullet = re.search(r"(?:\A|\n)\s*-\s+\Z", left[: found[0].start()])
    if signed and bullet and found[0][0][0] not in "+-":
        return None, "a minus or a bullet"
    if not any(_stated(left, each) for each in found):
        return None, NO_NUMBER
    return found[0][0].rstrip("."), ""


def _signed(text: str) -> str:
    """Minus in words, and with a blank after "=", as a sign."""
    text = re.sub(r"\b(?:minus|negative)\s+(?=\.?\d)", "-", text, flags=re.IGNORECASE)
    return re.sub(r"([=≈~:(\[])([ \t]*)-[ \t]+(?=\.?\d)", r"\1\2-", text)


def _decimal_commas(text: str) -> str:
    """A comma between two digits as a decimal point, if there is no other reading."""
    groups = re.findall(r"(?<![\w.,])-?\d+(?:,\d+)+(?![\w.])", text)
    if not groups or "." in re.sub(r"\.(?!\d)", "", text):
        return text
    if all(re.fullmatch(r"-?\d,\d{2,}", each) for each in groups):
        return re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text


def _in_expression(text: str, found: re.Match[str]) -> bool:
    """Whether the number is part of a formula that a reader would have to compute."""
    before, after = text[: found.start()].rstrip(), text[found.end() :].lstrip()
    return bool(
        re.match(r"[/×·^√+]|\*\s*\d|x\s*10\b", after) or re.search(r"[/×·^√+]\Z|\w\s*\+\Z", before)
    )


def _stated(text: str, found: re.Match[str]) -> bool:
    """Whether the number stands where an answer stands, and does not merely occur."""
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    before, after = text[start : found.start()], text[found.end() : end if end >= 0 else None]
    if WORD_BEFORE.search(before):
        return True
    letters = re.compile(rf"[A-Za-z{ASIDE}]")
    if not letters.search(before):
        one_word = len(re.findall(r"\w+", after)) < 2 and "\n" not in text.strip()
        return bool(STATED_AFTER.match(after)) or (one_word and ASIDE not in text)
    before = before.rstrip(" \"'([{<>#")
    if PAUSE_BEFORE.search(before) and ENDS_AFTER.match(after):
        return True
    return bool(STATED_BEFORE.search(before) or OPENERS.match(before))


def _worded(text: str) -> tuple[str | None, str]:
    """A number in words: alone, or right after "is", "pick" and the like at the end of a line."""
    found = list(WORDED.finditer(text))
    if len(found) != 1:
        return None, NO_NUMBER if not found else SEVERAL
    word = found[0]
    before, after = text[: word.start()], text[word.end() :]
    ends = re.match(r"\W*(?:\Z|\n)", after) is not None
    if ends and (
        not re.search(r"[A-Za-z]", before)
        or OPENERS.match(before)
        or STATED_BEFORE.search(before.rstrip(" \"'([{"))
    ):
        minus = bool(re.search(r"\b(?:minus|negative)\s*\Z", before, re.IGNORECASE))
        return f"{'-' * minus}{of_words(word[0])}", ""
    return None, NO_NUMBER


def of_words(text: str) -> int:
    """The value of a number in words: "twenty-one", "one hundred and five"."""
    total = part = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word == "hundred":
            part = max(part, 1) * 100
        elif word == "thousand":
            total, part = total + max(part, 1) * 1000, 0
        elif word != "and":
            part += SMALL[word]
    return total + part


# Labels of lines that hold no list.
SUMMARY = re.compile(
    r"\b(?:mean|average|sum|total|count|min(?:imum)?|max(?:imum)?|std|variance|deviation|median|note|"
    r"seed|range|how many|number of|n|batch|method|length)\W*\Z",
    re.IGNORECASE,
)
LAST = re.compile(r"\b(?:final|answer|result|corrected|revised|output)\b", re.IGNORECASE)
ITEM = r"(?:draw|digit|number|sample|value|item|pick|roll|no\.?|[xzu])?\s*[#_]?\s*\{?(\d+)\}?"
LABEL = re.compile(
    rf"(?<![\w.,-])(?<![A-Za-z] )[(\"']?{ITEM}[)\"']?\s*(?:[:=]|-{{1,2}}>|→)\s*"
    r"(?=[-+\"']?\.?\d)",
    re.IGNORECASE,
)
NUMBERED = re.compile(
    r"^\W{0,3}#?\(?(\d+)[.)\]:]+\s+(?=[-+]?\.?\d)|^\s*(\d+)\s+[-–—]\s+(?=[-+]?\.?\d)"
)
INLINE = re.compile(r"(?:(?<=\s)|(?<=,)|\A)\(?(\d+)[.)]\s+(?=[-+]?\.?\d)")
SEPARATOR = re.compile(r"[,;|/\s]+")
EDGE = "[](){}<>\"'•·–—:"


def listed(reply: str, signed: bool = True) -> list[str] | None:
    """The numbers of a reply that lists several, as written; None if it states no single list.

    Lines that hold nothing but numbers are the list; of other lines, only what follows their label
    ("Draws: 3, 7") or one unbroken run of numbers. Consecutive item numbers are left out. An entry
    that is no number keeps its place, as it is written.
    """
    text = plain(reply)
    if not text:
        return None
    if (boxed := box(replies.spoken(reply) or "")) is not None:
        return _entries(plain(boxed) or "")
    text = _without_labels(_decimal_commas(_signed(text)))
    arrays = [each for each in re.findall(r"\[([^\[\]]*)\]", text) if _entries(each)]
    kept = without_asides(text)
    arrays = [each for each in arrays if each in kept]
    if len(arrays) == 1 and len(_entries(arrays[0]) or []) > 1:
        return _entries(arrays[0])
    kept = re.sub(r"\([^()]*[A-Za-z]{2}[^()]*\)", " ", kept)
    return _of_lines([line for line in kept.splitlines() if line.strip()], signed)


def _of_lines(of: list[str], signed: bool) -> list[str] | None:
    numbered = [NUMBERED.match(line) for line in of]
    items = [int(found[1] or found[2]) for found in numbered if found]
    if len(items) > 1 and _consecutive(items):
        pairs = zip(of, numbered, strict=True)
        of = [line[found.end() :] if found else line for line, found in pairs]
    lines = _without_bullets(of, signed)
    if lines is None:
        return None
    rows = [_row(line) for line in lines]
    if rows := _joined(_table(rows)):
        lists: list[list[str]] = []
        goes_on = final = False
        for label, entries in rows:
            if entries is None or SUMMARY.search(label):
                goes_on = False
                continue
            if LAST.search(label) and not final:
                lists, final = [entries], True
            elif goes_on and not label:
                lists[-1] = lists[-1] + entries
            else:
                lists.append(entries)
            goes_on = True
        return lists[0] if len(lists) == 1 else None
    runs = [run for line in lines for run in _runs(line)]
    return runs[0] if len(runs) == 1 else None


def _without_labels(text: str) -> str:
    """The text without labels of items ("Draw 1: ", "x_2 = ") if they count from 0 or 1."""
    labels = [int(found[1]) for found in LABEL.finditer(text)]
    if len(labels) > 1 and _consecutive(labels):
        return LABEL.sub(" ", text)
    inline = [int(found[1]) for found in INLINE.finditer(text)]
    if len(inline) > 1 and _consecutive(inline) and "\n" not in text.strip():
        return INLINE.sub(" ", text)
    return text


def _consecutive(numbers: list[int]) -> bool:
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _without_bullets(lines: list[str], signed: bool) -> list[str] | None:
    """The lines without bullets; None if a "- " may be a minus."""
    dashed = [line for line in lines if re.match(r"\s*-\s+[-+]?\.?\d", line)]
    of_numbers = [line for line in lines if re.match(r"\s*-?\s*[-+]?\.?\d", line)]
    if signed and dashed and (len(dashed) != len(of_numbers) or len(dashed) == 1):
        return None
    return [re.sub(r"^\s*(?:-(?=\s)|[•·◦▪+>]+)\s*", "", line) for line in lines]


def _row(line: str) -> tuple[str, list[str] | None]:
    """The label of a line and its entries; None as entries if it is prose."""
    if (entries := _entries(line)) is not None:
        return "", entries
    label, colon, tail = line.rpartition(":")
    label, colon, tail = (label, colon, tail) if colon else line.rpartition("=")
    if colon and (entries := _entries(tail)) is not None:
        return label, entries
    return line, None


def _table(rows: list[tuple[str, list[str] | None]]) -> list[tuple[str, list[str] | None]]:
    """The rows without a first column that counts them; empty if none holds numbers."""
    held = [entries for _, entries in rows if entries]
    if not held:
        return []
    if len(held) > 1 and all(len(entries) == 2 for entries in held):
        first = [entries[0] for entries in held]
        if all(re.fullmatch(r"\d+", each) for each in first) and _consecutive(
            [int(each) for each in first]
        ):
            return [(label, entries and entries[1:]) for label, entries in rows]
    return rows


def _joined(rows: list[tuple[str, list[str] | None]]) -> list[tuple[str, list[str] | None]]:
    """The rows as one, if their labels are equal ("Draw: 3") or count ("Row 1: 3, 7")."""
    held = [(label, entries) for label, entries in rows if entries and label]
    if len(held) < 2 or len(held) < len([entries for _, entries in rows if entries]):
        return rows
    named = [re.fullmatch(r"(?:\W*\d+\W+)?\W*([A-Za-z]+)\W*(\d*)\W*", label) for label, _ in held]
    if not all(named) or len({each[1].lower() for each in named if each}) > 1:
        return rows
    counts = [each[2] for each in named if each]
    single = all(len(entries) == 1 for _, entries in held)
    if (all(counts) and _consecutive([int(each) for each in counts])) or (
        single and not any(counts)
    ):
        return [("", [entry for _, entries in held for entry in entries])]
    return rows


def _entries(text: str) -> list[str] | None:
    """The entries of a text that is a list of numbers and nothing else; None if it is not.

    At most one entry in five may be something else than a number, if commas separate them.
    """
    text = re.sub(r",?\s+(?:and|&)\s+(?=[-+]?\.?\d)", ", ", text.strip())
    if re.fullmatch(r"\d+(?:\s?[-–]\s?\d+)+", text.strip(EDGE)):
        text = re.sub(r"[-–]", ",", text)  # 3-7-1-9
    by_comma = [part.strip() for part in text.strip(EDGE + ",; ").split(",")]
    parts = [part.strip(EDGE).rstrip(".") for part in SEPARATOR.split(text)]
    parts = [part for part in parts if part and not re.fullmatch(r"[-:]+", part)]
    if not parts:
        return None
    if all(NUMBER.fullmatch(part) for part in parts):
        return parts
    numeric = [NUMBER.fullmatch(part) is not None for part in by_comma]
    joined = any(re.search(r"\b(?:or|and|then)\b", part) for part in by_comma)
    listed = len(by_comma) >= 5 and numeric[0] and numeric[-1] and not joined
    return by_comma if listed and sum(numeric) >= 0.8 * len(numeric) else None


def _runs(line: str) -> Iterator[list[str]]:
    """Unbroken runs of at least two numbers within prose, not those in a call's brackets."""
    if re.search(r"\w\(", line):
        return
    run = rf"(?<![\w.%]){NUMBER.pattern}(?:(?:\s*[,;]\s*|\s*,?\s+and\s+){NUMBER.pattern})+"
    for found in re.finditer(run, line):
        if not re.match(r"\s*,?\s*(?:…|\.\.\.|\w+\s*%)", line[found.end() :]):
            entries = _entries(found[0])
            if entries:
                yield entries


BITS = re.compile(r"(?<![\w.])[01](?:[ ,]*[01])*(?![\w.]|\.\d)")


def bits(reply: str) -> str | None:
    """The string of bits that a reply gives, without blanks; None if it gives none, or several.

    An introduction ends with a colon; a string on a line of its own counts before others.
    """
    text = re.sub(r"[.!]+(?=\s|\Z)", "", plain(reply) or "")
    lines = [line.rpartition(":")[2].strip(" \"'[]()") for line in text.splitlines()]
    found = [line for line in lines if BITS.fullmatch(line)]
    if not found:
        found = [run for run in BITS.findall(text) if len(re.sub(r"\D", "", run)) > 1]
    return re.sub(r"\D", "", found[0]) if len(found) == 1 else None


# Where a reply states a count or a digit among other numbers.
TOLD_BEFORE = re.compile(
    r"(?:[:=≈→]|\b(?:is|are|was|were|be|has|have|contains?|appears?|occurs?|exactly|total(?:\s+of)?|"
    r"counted|count|found|find|see|equals?|(?:adds? up|sums?|comes) to|answer|get|got|gives?|makes?"
    r"|about|approximately|roughly|around"
    r"|therefore|so|thus|hence|say|shows? up|includes?|(?:last|first) digit))[^\w\n]*\Z",
    re.IGNORECASE,
)
TOLD_AFTER = re.compile(
    r"\A\W*(?:\Z|\n|[.!;(]|(?:is|was|times?|ones|zeros|zeroes|in total|occurrences?|it is)\b)",
    re.IGNORECASE,
)
MOST_DIGITS = 4  # of a count; a longer string of digits is a copied sequence


def count(reply: str, marker: str = "Answer:") -> int | None:
    """The count or digit that a reply gives; None if it states none, or several.

    What follows the last `marker` counts, and there the first number; the result, if it is a sum
    that is worked out ("2*5+2 = 12"). Without a marker, numbers that only occur do not count.
    """
    spoken = replies.spoken(reply)
    if not spoken:
        return None
    text = plain(reply) or ""
    marks = list(re.finditer(re.escape(marker.rstrip(":")) + r"\W*?:", text, re.IGNORECASE))
    if (boxed := box(spoken)) is not None:
        text, marks = plain(boxed) or "", []
    elif marks:
        text = text[marks[-1].end() :].strip()
    text = re.sub(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda m: m[0].replace(",", ""), text)
    first = text.partition("\n")[0] if marks else text
    if worked := re.findall(r"=\s*(\d+)(?:\.0+)?(?![\w.]*\d)(?!\s*[-+*/×·=])", first):
        return _count(worked[-1])
    found = [each for each in NUMBER.finditer(first) if not each[0].startswith("-")]
    if marks and found and not re.search(r"[A-Za-z]{3}", first[: found[0].start()]):
        return _count(found[0][0])
    short = [each for each in found if len(each[0]) <= MOST_DIGITS or found == [each]]
    for first_of, second in pairwise(found):
        if not re.search(r"[A-Za-z]{2}|[.=:]", first[first_of.end() : second.start()]):
            return None  # "1 1 1 0": a copied sequence
    other = re.compile(r"\s*zero(?:e?s)\b", re.IGNORECASE)  # ones are asked for
    told = [e for e in short if _told(first, e) and not other.match(first, e.end())]
    values = {_count(each[0]) for each in told}
    if len(values) == 1:
        return values.pop()
    return None if found else _count_in_words(first)


def _count(digits: str) -> int | None:
    value = float(digits)
    short = len(digits.partition(".")[0].lstrip("+")) <= MOST_DIGITS
    return int(value) if short and value == int(value) else None


def _told(text: str, found: re.Match[str]) -> bool:
    start = text.rfind("\n", 0, found.start()) + 1
    before, after = text[start : found.start()], text[found.end() :]
    if not re.search(r"[A-Za-z]", before):
        alone = not re.search(r"[A-Za-z]{3}|\d", after)
        return alone or bool(TOLD_AFTER.match(after))
    if WORD_BEFORE.search(before):
        return True
    return bool(TOLD_BEFORE.search(before.rstrip(" \"'([{")) or OPENERS.match(before))


def _count_in_words(text: str) -> int | None:
    found = list(WORDED.finditer(text))
    told = [each for each in found if _told(text, each)]
    values = {of_words(each[0]) for each in told if each[0].lower() not in ("one",) or _alone(text)}
    return values.pop() if len(values) == 1 else None


def _alone(text: str) -> bool:
    """Whether "one" is a digit and not an article: the reply ends with it."""
    return re.search(r"\bone\W*\Z", text, re.IGNORECASE) is not None
