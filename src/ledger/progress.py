"""Progress of long work, as whoever waits for it is told."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told how much is done, and how much there is as far as is known."""
