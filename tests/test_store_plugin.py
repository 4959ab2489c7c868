"""The pytest plugin that runs the contract of stores on anybody's store."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger.testing.store_contract import CAPABILITIES
from tests.processes import plain_environment

PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--ledger-store")


def _run(folder: Path, factory: str, module: str = "their_store") -> subprocess.CompletedProcess[str]:
    """Run the contract on a store of somebody else's, in their folder."""
    (folder / "their_store.py").write_text(factory)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    return _pytest(folder, *PYTEST, f"{module}:factory")


def _pytest(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = plain_environment()
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_the_plugin_reports_by_part_of_the_contract(tmp_path: Path) -> None:
    """A store that keeps what it can of a batch fails atomicity; the parts that it lacks are not run."""
    run = _run(
        tmp_path,
        "from ledger.store import open_store\n"
        "def factory(name):\n"
        "    store = open_store('memory://', name)\n"
        "    append = store.append\n"
        "    store.append = lambda events, **more: tuple(one for event in events for one in append([event], **more))\n"
        "    return store\n"
        "factory.lacks = ['restart', 'processes', 'snapshots']\n",
    )
    assert run.returncode == 1, run.stdout
    lines = [line.split() for line in run.stdout.splitlines() if line.partition(" ")[0] in CAPABILITIES]
    said = {line[0]: line[1:3] for line in lines}
    assert {part for part, words in said.items() if words[0] == "failed"} == {"atomicity"}
    assert {part for part, words in said.items() if words == ["not", "run"]} == {"restart", "processes", "snapshots"}
    assert said.keys() == CAPABILITIES.keys()


@pytest.mark.parametrize(
    ("module", "factory", "sentence"),
    [
        ("nowhere", "", "(No module named 'nowhere')"),
        ("their_store", "", "has no attribute 'factory')"),
        ("their_store", "factory = 1", "expected MODULE:FACTORY, such as my_module:factory."),
        (
            "their_store",
            "def factory(name): ...\nfactory.lacks = ['speed']",
            "lacks is 'speed'; expected some of events",
        ),
    ],
)
def test_a_factory_that_there_is_not_is_a_usage_error(tmp_path: Path, module: str, factory: str, sentence: str) -> None:
    """A wrong name is said in a sentence, with pytest's exit code for a wrong use."""
    run = _run(tmp_path, factory, module)
    assert (run.returncode, "Traceback" in run.stderr + run.stdout) == (4, False)
    assert sentence in run.stderr + run.stdout


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    """Without the option pytest imports no ledger."""
    (tmp_path / "test_nothing.py").write_text("import sys\ndef test_it(): assert 'ledger' not in sys.modules\n")
    run = _pytest(tmp_path, *PYTEST[:-1], ".")
    assert run.returncode == 0, run.stdout
