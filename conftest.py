"""Runs the examples of the documentation: README.md and everything under docs/.

A page is one test. Its `python` blocks share a namespace and run in order; its `console` blocks run in between, in a
temporary folder of the page, and their output is compared. A `text` block is not run. Any other is refused.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.example import SybilFailure
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from tests.processes import plain_environment

_LANGUAGES = ("python", "console", "text")
_HEREDOC = re.compile(r"<<-?'?(\w+)'?")
_TIMEOUT = 120
"""Seconds that one command may take."""


def _run_console(example: Example) -> str | None:
    """Run each `$ ` line; return the difference between the output and the page, or None."""
    for command, shown in _commands(str(example.parsed)):
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        environment = plain_environment() | {"PATH": programs}
        run = subprocess.run(  # noqa: S602 - the pages are ours, and show a shell
            command,
            shell=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        printed = _lines(run.stdout.splitlines())
        refused = any(line.startswith("error:") for line in shown)
        if not _same(shown, printed) or (run.returncode != 0) != refused:
            parts = [f"$ {command}", "shown:", *shown, f"printed, with exit code {run.returncode}:", *printed]
            return "\n".join(parts)
    return None


def _commands(source: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each command of a console block with the lines shown after it. A here-document belongs to its command."""
    lines = source.splitlines()
    while lines:
        first = lines.pop(0)
        if not first.startswith("$ "):
            raise ValueError(f"a console block begins with '$ ', not with {first!r}")
        command = [first.removeprefix("$ ")]
        while command[-1].endswith("\\"):
            command.append(lines.pop(0))
        if heredoc := _HEREDOC.search("\n".join(command)):
            while command[-1] != heredoc[1]:
                command.append(lines.pop(0))
        end = next((index for index, line in enumerate(lines) if line.startswith("$ ")), len(lines))
        shown, lines = lines[:end], lines[end:]
        yield "\n".join(command), _lines(shown)


def _lines(printed: Sequence[str]) -> Sequence[str]:
    """Return lines without space at their ends, and without empty lines around them."""
    return "\n".join(line.rstrip() for line in printed).strip("\n").splitlines()


def _same(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether the output is that of the page; a line `...` stands for any number of lines."""
    pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


def _refuse_other_blocks(document: Document) -> Iterator[Region]:
    """Yield the fenced blocks of other languages, so that a misspelt one is not skipped silently."""
    for region in RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n?"))(document):
        info = region.lexemes["info"]
        if info not in _LANGUAGES:
            region.parsed = info
            region.evaluator = _refuse
            yield region


def _refuse(example: Example) -> str:
    return f"a block is {', '.join(_LANGUAGES)}; this one is {example.parsed!r}"


_PAGES = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("console", _run_console), _refuse_other_blocks],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
)


class Page(pytest.File):
    """A page of the documentation."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the page as one test, so that its blocks stay together wherever it runs."""
        yield PageTest.from_parent(self, name="blocks")


class PageTest(pytest.Item):
    """All blocks of a page, in their order."""

    def runtest(self) -> None:
        """Run the blocks in a folder of their own."""
        examples = list(_PAGES.parse(self.path).examples())
        with TemporaryDirectory() as folder, chdir(folder):
            for example in examples:
                example.evaluate()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the difference, or the traceback of an exception in a block."""
        if isinstance(excinfo.value, SybilFailure):
            return str(excinfo.value)
        excinfo.traceback = excinfo.traceback.cut(path=self.path)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the page as the location of the test."""
        return self.path, 0, self.path.name


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the pages."""
    return Page.from_parent(parent, path=file_path) if _PAGES.should_parse(file_path) else None
