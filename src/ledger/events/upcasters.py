"""Retired event versions: how each was written, and how it reads today.

A stored event is never edited. When an event changes shape, its old shape moves here under its old tag, with a
function that turns it into the next version. No version has been retired yet; the tests retire one of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Retired:
    """A version that is read and no longer written: its `shape`, an attrs class, and the way to the `next_tag`."""

    shape: type[Any]
    next_tag: str
    upcast: Callable[[Any], Any]


RETIRED: Mapping[str, Retired] = {}
"""By tag, such as `payment_made.v1`."""
