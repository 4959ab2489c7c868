"""The package `ledger` of another distribution: the command names it instead of failing in a strange way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import installment_ledger
import ledger

SCRIPT = "import sys, installment_ledger; sys.exit(installment_ledger.main(['migrate', '--db', 'memory://']))"
PACKAGE = Path(ledger.__file__).parent


def _command(*paths: Path, program: tuple[str, ...] = ("-c", SCRIPT)) -> subprocess.CompletedProcess[str]:
    """Run the installed command where these folders come first on the path of imports."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, *program], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which this library is installed."""
    folder = tmp_path / "site"
    shutil.copytree(PACKAGE, folder / "ledger", ignore=shutil.ignore_patterns("__pycache__", "example_book"))
    shutil.copy(installment_ledger.__file__, folder)
    return folder


def _install_another(site: Path) -> None:
    """Install a distribution with a package `ledger` of its own, as an installer does: file over file."""
    (site / "ledger" / "__init__.py").write_text('"""A ledger of another kind."""\n')
    metadata = site / "general_ledger-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: general-ledger\nVersion: 2.0\n")
    (metadata / "RECORD").write_text("ledger/__init__.py,,\ngeneral_ledger-2.0.dist-info/METADATA,,\n")


def test_where_the_package_is_ours_the_command_runs(site: Path) -> None:
    """An installation without other packages of the name has no problem, wherever it lies."""
    assert installment_ledger.import_problem() is None
    run = _command(site)
    assert (run.returncode, run.stdout) == (0, "memory: the ledger 'ledger' has schema version 3.\n")


@pytest.mark.parametrize("file", ["ledger.py", "ledger/__init__.py"])
def test_a_package_that_hides_ours_is_named_by_its_file(tmp_path: Path, file: str) -> None:
    """A module of the name that comes first on the path is the culprit, and its file is named."""
    other = tmp_path / file
    other.parent.mkdir(exist_ok=True)
    other.write_text("raise SystemExit('the other one ran')\n")
    run = _command(tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"error: 'ledger' is {other}, which hides the library in {PACKAGE}; install ")


@pytest.mark.parametrize("program", [("-c", SCRIPT), ("-m", "ledger", "migrate", "--db", "memory://")])
def test_a_distribution_that_overwrote_ours_is_named(site: Path, program: tuple[str, ...]) -> None:
    """Installed into the same folder, the later distribution wins; the command, and `python -m`, name it."""
    _install_another(site)
    run = _command(site, program=program)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"error: general-ledger installed a package 'ledger' of its own over this library in {site / 'ledger'}; "
        "install installment-ledger in an environment without it.\n"
    )


def test_a_package_whose_files_another_uninstallation_took_is_incomplete(site: Path) -> None:
    """When the other distribution is uninstalled, it takes shared files along: ours must be installed again."""
    (site / "ledger" / "__init__.py").unlink()
    run = _command(site, program=("-S", "-c", SCRIPT))  # without the site packages of this test
    assert (run.returncode, run.stdout) == (1, "")
    assert "is missing or incomplete; install installment-ledger again" in run.stderr
