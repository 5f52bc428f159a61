"""One notation for mathematical answers: the signs, fonts and words around them removed."""

import re
import unicodedata
from functools import lru_cache

from workflow_scripts.parallel_sequential import expressions

SIGNS = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00d7\u22c5\u00b7\u2219", "*"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff", ""),
    **dict.fromkeys("\u20ac\u00a3\u00a5\u20b9", ""),
    **dict.fromkeys("\u00a0\u2006\u2007\u2008\u2009\u200a\u202f", "~"),
    **{"÷": "/", "\u2044": "/", "\u2215": "/", "√": "\\sqrt ", "π": "\\pi ", "∞": "\\infty "},
    **{"°": "^\\circ", "º": "^\\circ", "≤": "\\le ", "≥": "\\ge ", "∪": "\\cup ", "∈": "\\in "},
    **{"∅": "\\emptyset ", "±": "\\pm ", "≈": "\\approx ", "≠": "\\ne ", "％": "%", "′": "'"},
    **{"⟨": "(", "⟩": ")"},
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
GREEK = {
    unicodedata.lookup(f"GREEK {'SMALL' if name.islower() else 'CAPITAL'} LETTER {name.upper()}"): (
        f"\\{name} "
    )
    for name in expressions.GREEK
    if not name.startswith("var") and name not in ("lambda", "Lambda")
} | {"λ": "\\lambda ", "Λ": "\\Lambda "}  # Unicode writes LAMDA

FONTS = (
    "text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|mbox|bf|boldsymbol|boxed|"
    "fbox|underline|ensuremath"
)
WRAPPER = re.compile(rf"\\(?:{FONTS})\s*\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")
GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
LEAD = re.compile(
    r"(?:therefore|thus|hence|so)?,?\s*(?:the|our|my)?\s*(?:final|correct)?\s*"
    r"(?:answer|result|value|solution|option|choice)\s*(?:is|are|:|=)+\s*:?\s*",
    re.IGNORECASE,
)
ABOUT = re.compile(
    r"(?:\\approx|\\sim(?:eq)?|approximately|approx\.?|about|roughly)\s*", re.IGNORECASE
)
ROUNDED = re.compile(
    r"\s*\((?:rounded|approx|to |correct to|about|or |i\.e|exact)[^()]*\)\s*$", re.IGNORECASE
)
DEGREE = r"(?:\^\s*\{?\s*\\circ\s*\}?|\\(?:degree|circ)(?![A-Za-z]))"


@lru_cache(maxsize=1 << 16)
def normalised(answer: str) -> str:
    """The answer with ASCII signs, without fonts, separators of thousands and currency."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda m: "^{" + m[0].translate(SUPERSCRIPTS) + "}", answer)
    text = re.sub(
        "[\u00bc-\u00be\u2150-\u215e]", lambda m: f" {unicodedata.normalize('NFKC', m[0])} ", text
    )
    text = re.sub(r"(?:√|(?<![A-Za-z\\])sqrt) ?(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text)
    text = "".join(SIGNS.get(each, GREEK.get(each, each)) for each in text)
    text = unicodedata.normalize("NFKC", text).strip()
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    text = re.sub(
        r"\\(?:displaystyle|textstyle|limits|left|right|[bB]igg?[lr]?)(?![A-Za-z])\.?", "", text
    )
    text = re.sub(r"(?<!\\)\\[()\[\]]|\*\*(?=\s*$)|^\s*\*\*|\\?\$|`", "", text)
    text = text.replace("\\%", "%").replace("\\#", "#")
    text = text.replace("{,}", "~" if re.search(r"\{,\}\d{3}(?!\d)", text) else ".")
    text = re.sub(r"(?<!\\)\\[,;:! ]|\\(?:q?quad|thinspace|enspace)(?![A-Za-z])", "~", text)
    text = re.sub(r"(?<=\d)~+(?=\d{3}(?!\d))", "", text).replace("~", " ").strip()
    text = re.sub(r"\\(?:text)?color\s*\{\w+\}", "", text)
    text = re.sub(r"\\(?:large|Large|huge|small)(?![A-Za-z])", "", text)
    for _ in range(3):
        text = WRAPPER.sub(lambda m: f" {m[1].strip()} ", text)
    text = re.sub(r"\\(?:cdot|times)(?![A-Za-z])", "*", text)
    text = re.sub(r"\\div(?![A-Za-z])", "/", text)
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^\{ ?([^{}]*) ?\}$", r"\1", text) if "," not in text else text
    text = re.sub(r"\bsq\. ", "sq ", text.rstrip(" ;,.\\"))
    text = re.sub(r"^(\d+) ?(?:\^ ?\{? ?)?(?:st|nd|rd|th) ?\}?$", r"\1", text)  # 7th
    for words in (LEAD, ABOUT):
        found = words.match(text)
        text = text[found.end() :] if found else text
    text = re.sub(r"^(?:minus|negative) (?=[\d\\(])", "-", ROUNDED.sub("", text))
    # In brackets a comma separates thousands only if those between the parts have blanks.
    if not re.search(r"[(\[]|\\\{|^\{", text) or re.search(r",\s", text):
        text = GROUPED.sub(lambda m: m[0].replace(",", ""), text)
    if re.fullmatch(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?", text):
        text = text.replace(" ", "")
    text = re.sub(r"\s*percent$|\s*per cent$", "%", text)
    if not re.search(r"sin|cos|tan|cot|sec|csc", text):
        text = re.sub(rf"\s*{DEGREE}(?:\s*[CF])?$", "", text)
    text = re.sub(rf"(\d+(?:\.\d+)?)\s*{DEGREE}", r"(\1*\\pi/180)", text)
    return text.strip()
