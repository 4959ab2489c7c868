"""The command that explains a number of a plan."""

from textwrap import wrap
from collections.abc import Iterator, Sequence
from typing import Literal

from ledger.audit import sentences
from ledger.audit.explain import Subject
from ledger.audit.explain import explain as explained
from ledger.audit.explain.text import Told, told
from ledger.audit.language import Code, language
from ledger.cli import rendering
from ledger.cli.options import NOW, Asked, Location
from ledger.cli.tables import styled_output, width_of_output
