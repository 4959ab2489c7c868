"""The page: sections, rows and plans in one self-contained HTML document, which loads nothing and needs no script."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ledger.audit.language import Language
from ledger.audit.report import words
from ledger.audit.report.sections import Behind, Section, Table

_PACKAGE = "ledger.audit.report"


class Part(NamedTuple):
    """The part of the page about one currency: its name, its sections, the rows behind their numbers, its plans."""

    currency: str
    sections: Sequence[Section]
    behind: Sequence[Behind]
    plans: Table


def page(
    *,
    title: str,
    subtitle: str,
    notes: Iterable[str],
    parts: Sequence[Part],
    audit: Sequence[Section],
    language: Language,
) -> str:
    """Return the page as HTML. The same arguments give the same text."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (files(_PACKAGE).joinpath("template", name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_hash(script)}'"
    return environment.get_template("page.html.jinja").render(
        title=title,
        subtitle=subtitle,
        notes=list(notes),
        parts=parts,
        audit=audit,
        language=language,
        say=language.say,
        words=words,
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        policy=policy,
        drawing=Markup,
    )


def _hash(script: str) -> str:
    """Return the hash by which a page's policy admits one script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
