"""The distribution: its files, its dependencies, and the wheel in fresh environments."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
EXTRAS = ("audit", "cli", "cluster", "postgres", "telemetry", "testing")

long = pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "long" or shutil.which("uv") is None,
    reason="installs from an index: with HYPOTHESIS_PROFILE=long, and uv",
)


def _needed(name: str, extras: Iterable[str], found: set[str]) -> set[str]:
    """Add the distributions that one needs with these extras on this machine, and those that they need in turn."""
    for requirement in map(Requirement, distribution(name).requires or ()):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": one}) for one in ("", *extras)):
            known, needed = len(found), canonicalize_name(requirement.name)
            found.add(needed)
            if requirement.extras or len(found) > known:
                _needed(needed, requirement.extras, found)
    return found


def _pins() -> dict[str, str]:
    """Return the versions that are pinned for this interpreter."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        pin.name: str(pin.specifier).removeprefix("==") for pin in pins if pin.marker is None or pin.marker.evaluate()
    }


def test_the_constraints_are_the_versions_that_these_tests_run_with() -> None:
    """Every dependency, extras and theirs included, is pinned to the installed version, and nothing else is."""
    pins = _pins()
    assert pins == {name: version(name) for name in _needed("installment-ledger", EXTRAS, set())}
    assert "://" not in CONSTRAINTS.read_text(encoding="utf-8")


def test_the_license_of_every_dependency_is_stated() -> None:
    """The page of dependencies has each of the pinned packages in the first column of its table."""
    rows = re.findall(
        r"^\| ([a-z0-9, -]+) \|.*\| (.+) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE
    )
    stated = {name: license_ for names, license_ in rows for name in names.split(", ")}
    assert _pins().keys() == stated.keys() - {"package", "---"}
    assert stated["psycopg"] == "**LGPL-3.0-only**"


def test_the_readme_needs_no_repository() -> None:
    """It is shown on the page of an index too: all links are absolute, and the pages that it names exist."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)]+)\)", text))
    named = re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:md|txt))`", text)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_wheel_has_every_module_that_its_entry_points_name() -> None:
    """A plugin that is named and missing ends every run of pytest where the library is installed."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {Path(path).stem for path in declared["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    groups = [declared["project"]["scripts"], *declared["project"]["entry-points"].values()]
    named = {target.partition(":")[0].partition(".")[0] for group in groups for target in group.values()}
    assert len(named) == 3
    assert named <= packages
    assert packages == {path.stem for path in (ROOT / "src").iterdir() if path.name != "__pycache__"}


def _run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH", "COLUMNS")}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=300)


def _install(folder: Path, *requirements: str) -> Path:
    """Install requirements with the tested versions into a fresh environment, and return its folder of programs."""
    programs = folder / "bin"
    install = ("uv", "pip", "install", "--quiet", "--python", programs / "python", "-c", ROOT / "constraints.txt")
    commands: list[tuple[str | Path, ...]] = [("uv", "venv", "--quiet", folder), (*install, *requirements)]
    for command in commands:
        run = _run(*command, folder=ROOT)
        assert run.returncode == 0, run.stderr
    return programs


@long
def test_the_wheel_runs_in_fresh_environments(tmp_path: Path, postgres_url: str, name: str) -> None:
    """Without extras it migrates, with `postgres` there too, and with `cli` it runs the demonstration."""
    built = _run("uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, folder=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as files:
        assert {name.partition("/")[0] for name in files.namelist()} == {
            "installment_ledger.py",
            "installment_ledger_hypothesis.py",
            "installment_ledger_pytest.py",
            "ledger",
            f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info",
        }
    plain = _install(tmp_path / "plain", f"installment-ledger @ {wheel.as_uri()}")
    migrated = _run(plain / "installment-ledger", "migrate", folder=tmp_path)
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert migrated.stdout.startswith("SQLite file ledger.db: the ledger 'ledger' has schema version")
    asked = _run(plain / "python", "-m", "ledger", "demo", folder=tmp_path)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "install installment-ledger[cli]" in asked.stderr
    with_driver = _install(tmp_path / "with_driver", f"installment-ledger[postgres] @ {wheel.as_uri()}")
    location = ("--db", postgres_url, "--name", name)
    migrated = _run(with_driver / "installment-ledger", "migrate", *location, folder=tmp_path)
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert f"the ledger '{name}' has schema version" in migrated.stdout
    with_cli = _install(tmp_path / "with_cli", f"installment-ledger[cli] @ {wheel.as_uri()}")
    demo = _run(with_cli / "installment-ledger", "demo", folder=tmp_path)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "Rows: 4,050 recorded, 16 repeated, 300 refused." in demo.stdout
    assert "Statement of plan P-00003 on 2024-06-30" in demo.stdout
    with_tests = _install(tmp_path / "with_tests", f"installment-ledger[testing] @ {wheel.as_uri()}", "pytest")
    (tmp_path / "test_theirs.py").write_text("def test_passes():\n    pass\n", encoding="utf-8")
    tested = _run(with_tests / "python", "-m", "pytest", "--quiet", "test_theirs.py", folder=tmp_path)
    assert tested.returncode == 0, tested.stderr
