"""A picture of a run."""

from pathlib import Path


def draw(svg: Path, run: Path) -> None:
    """Draw what `--out` wrote to `run`."""
