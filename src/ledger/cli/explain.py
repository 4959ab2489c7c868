"""The command that explains a number of a plan: a tree of sentences, or the same as JSON."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from ledger.audit import messages
from ledger.audit.explain import Subject
from ledger.audit.explain import explain as explained
from ledger.audit.explain.text import Sentence, sentences
from ledger.audit.language import Code, language
from ledger.cli import rendering
from ledger.cli.options import NOW, Asked, Location
from ledger.cli.paragraphs import paragraph
from ledger.cli.tables import styled_output, width_of_output

Lang = Annotated[Code, Parameter(name="--lang")]


def explain(plan: str, subject: Subject, *, lang: Lang = "en", asked: Asked = NOW, location: Location) -> None:
    """Explain a number of a plan from its events and the rules, and why it is not another.

    Parameters
    ----------
    plan
        The plan's id.
    subject
        The number: shares, bonus, status, paid or overdue.
    lang
        The language of the sentences: English, Hindi or Russian.
    """
    with location.open() as ledger:
        as_of = ledger.position(plan, as_of=asked.as_of, known_at=asked.known).as_of
        history = ledger.history(plan)
    found = explained(history, subject, as_of=as_of, known_at=asked.known)
    if asked.json:
        rendering.print_json(found)
        return
    spoken = language(lang)
    title, trees = sentences(found, spoken)
    width = width_of_output()
    for number, line in enumerate(_drawn(title, trees, spoken.say(messages.LEGEND), width)):
        print(f"\x1b[1m{line}\x1b[0m" if styled_output() and number == 0 else line)


def _drawn(title: str, trees: Sequence[Sentence], legend: str, width: int) -> Iterator[str]:
    """Yield the lines of an explanation for a width."""
    yield from paragraph(title, width=width)
    for tree in trees:
        yield ""
        yield from paragraph(tree.text, width=width)
        yield from _branches(tree.below, width, "")
    yield ""
    yield from paragraph(legend, width=width)


def _branches(trees: Sequence[Sentence], width: int, before: str) -> Iterator[str]:
    for tree in trees:
        last = tree is trees[-1]
        below = before + ("   " if last else "│  ")
        yield from paragraph(tree.text, width=width, first=before + ("└─ " if last else "├─ "), others=below)
        yield from _branches(tree.below, width, below)
