"""Figures and captions for a page that opens without a network."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2


def picture(path: str | Path) -> dict[str, Any]:
    """A PNG as the shorter of itself and lossless WebP, as a data URI, with its size in pixels."""
    from PIL import Image

    original = Path(path).read_bytes()
    with Image.open(io.BytesIO(original)) as image:
        width, height = image.size
        packed = io.BytesIO()
        flat = image.convert("RGB") if _opaque(image) else image
        flat.save(packed, "WEBP", lossless=True, quality=50, method=1)
    found = [("png", original), ("webp", packed.getvalue())]
    kind, data = min(found, key=lambda each: len(each[1]))
    text = base64.b64encode(data).decode("ascii")
    return {"uri": f"data:image/{kind};base64,{text}", "width": width, "height": height}


def _opaque(image: Any) -> bool:
    return image.mode != "RGBA" or image.getchannel("A").getextrema() == (255, 255)


def caption(path: str | Path, config: Mapping[str, Any]) -> str:
    """A caption as HTML: reStructuredText that quotes settings of the run; "" without a file.

    Captions are written for Snakemake, which gives them the name `snakemake`.
    """
    from docutils.core import publish_parts

    path = Path(path)
    if not path.is_file():
        return ""
    job = SimpleNamespace(config=config)
    text = jinja2.Template(path.read_text(encoding="utf-8")).render(snakemake=job)
    settings = {"report_level": 5, "file_insertion_enabled": False, "raw_enabled": False}
    return publish_parts(text, writer="html5", settings_overrides=settings)["body"]


def prose(markdown: str) -> str:
    """Markdown as HTML, with the text of links to files in place of the links."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown)
    for token in tokens:
        outside, kept = [True], []
        for child in token.children or []:
            if child.type == "link_open":
                outside.append(str(child.attrGet("href")).startswith(("http:", "https:")))
            if child.type not in ("link_open", "link_close") or outside[-1]:
                kept.append(child)
            if child.type == "link_close":
                outside.pop()
        token.children = kept if token.children is not None else None
    return reader.renderer.render(tokens, reader.options, {})
