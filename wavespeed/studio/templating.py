"""The templates, and how they are filled: whatever comes from outside is escaped.

The markup is made here and not in `gr.HTML`'s template: that one renders Handlebars first and then
evaluates the outcome as a JavaScript template literal, so a prompt with `${…}` in it would run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from wavespeed.studio.text import errors, formatting, images, labels, status

HERE = Path(__file__).parent
TEMPLATES = (HERE / "ui" / "templates", HERE / "export")
STATIC = HERE / "ui" / "static"
PHOTOS = STATIC / "photos"


def file_url(file: Path | None) -> str:
    """Where Gradio serves a file of its cache, relative, so that it holds under whatever path the
    page is served; empty where there is no file."""
    return f"gradio_api/file={quote(str(file))}" if file else ""


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {
    "labels": labels,
    "status": status,
    "formatting": formatting,
    "images": images,
    "errors": errors,
    "file_url": file_url,
}


def render_template(template: str, **values: Any) -> str:
    """The template with these values; whatever a template can say without any is in `labels`."""
    return _templates.get_template(f"{template}.html").render(**values)


def static(name: str) -> str:
    """A script or a style sheet, as text."""
    return (STATIC / name).read_text(encoding="utf-8")
