"""The reference is up to date, and complete."""  # noqa: INP001 - a folder of pages

import inspect

from docs.reference import PAGE, render

import ledger
from ledger import events


def test_the_reference_is_up_to_date() -> None:
    """The page equals the output of `python docs/reference.py`."""
    written = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    for number, (line, today) in enumerate(zip([*written, ""], [*render().splitlines(), ""], strict=False), 1):
        assert line == today, f"docs/reference.md is out of date from line {number} on: run `python docs/reference.py`"


def test_the_reference_names_everything_public() -> None:
    """Every public class of the library and every event has its entry."""
    page = render()
    names = [name for package in (ledger, events) for name, value in vars(package).items() if inspect.isclass(value)]
    assert [name for name in names if f"`{name}" not in page and f"# {name}\n" not in page] == []
