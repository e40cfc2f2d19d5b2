"""The packages import each other only along the arrows of ``[tool.importlinter]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=folder, capture_output=True, text=True
    )


def test_imports_follow_the_arrows() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("benchmark/records/record.py", "import benchmark.execution.run"),
        ("benchmark/reports/tables.py", "import benchmark.models.hear_module"),
        ("tasks/folder.py", "import benchmark.errors"),
        ("hear_plugins/logmel.py", "import tasks.folder"),
        ("benchmark/execution/run.py", "import hear_plugins.logmel"),
        ("benchmark/cli/main.py", "import benchmark.studies.synthetic"),
    ],
)
def test_an_import_against_the_arrows_is_found(module: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in ("benchmark", "hear_plugins", "tasks"):
        for file in (ROOT / package).rglob("*.py"):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    importer = module.removesuffix(".py").replace("/", ".")
    assert f"{importer} -> {line.split()[1]} (l." in done.stdout
