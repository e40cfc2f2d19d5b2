"""What is installed, and what a command loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("hear_plugins", "benchmark", "tasks", "results")


def requirements(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    """What setup.py tells setuptools."""
    said: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **options: said.update(options))
        patch.chdir(ROOT)
        exec((ROOT / "setup.py").read_text(), {})
    return said


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_requirement_has_one_tested_version(python: str, package: dict[str, Any]) -> None:
    pins: dict[str, Requirement] = {}
    for pin in requirements("constraints.txt"):
        if pin.marker is None or pin.marker.evaluate({"python_version": python}):
            assert canonicalize_name(pin.name) not in pins
            pins[canonicalize_name(pin.name)] = pin
    extras = package["extras_require"].values()
    for line in [*package["install_requires"], *(line for extra in extras for line in extra)]:
        needed = Requirement(line)
        (version,) = pins[canonicalize_name(needed.name)].specifier
        assert version.operator == "==" and needed.specifier.contains(version.version)


def test_every_folder_of_code_is_packaged(package: dict[str, Any]) -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in PACKAGES
        for path in (ROOT / top).rglob("*.py")
    }
    assert set(package["packages"]) == folders


def test_files_that_are_not_code_are_packaged(package: dict[str, Any]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "results/published"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    patterns = package["package_data"]["results"]
    data = [Path(file).relative_to("results") for file in tracked]
    assert data and all(any(file.match(pattern) for pattern in patterns) for file in data)
    for typed in ("hear_plugins", "tasks", "benchmark"):
        assert (ROOT / typed / "py.typed").is_file()
        assert package["package_data"][typed] == ["py.typed"]


def test_the_package_describes_itself(package: dict[str, Any]) -> None:
    assert package["long_description"] == (ROOT / "README.md").read_text(encoding="utf-8")
    workflow = (ROOT / ".github/workflows/tests.yml").read_text()
    pythons = [f"3.{minor}" for minor in range(10, 14)]
    assert f"python: {json.dumps(pythons)}" in workflow and "run: .ci/run" in workflow
    named = [line.rpartition(" ")[2] for line in package["classifiers"] if " :: 3." in line]
    assert named == pythons


def test_versions_in_messages_are_the_tested_ones() -> None:
    pins = requirements("constraints.txt") + requirements("requirements-nodeps.txt")
    tested = {canonicalize_name(pin.name): str(pin.specifier) for pin in reversed(pins)}
    said = [
        named
        for top in PACKAGES
        for file in (ROOT / top).rglob("*.py")
        for named in re.findall(r"\b([A-Za-z][\w-]*)(==[0-9][\w.]*)", file.read_text())
    ]
    assert said and all(tested[canonicalize_name(name)] == version for name, version in said)


def test_the_one_step_that_setup_py_cannot_express_is_documented() -> None:
    step = "pip install --no-deps --ignore-requires-python -r requirements-nodeps.txt"
    for file in ("requirements-nodeps.txt", "README.md"):
        assert step in (ROOT / file).read_text()


@pytest.mark.parametrize(
    "command", [["--help"], ["run", "--help"], ["tasks", "get", "--help"], ["models"], ["tasks"]]
)
def test_commands_load_no_heavy_package(command: list[str]) -> None:
    heavy = ["tensorflow", "heareval", "hearvalidator", "pytorch_lightning", "sed_eval", "librosa"]
    heavy += ["torch"] if "--help" in command else []
    code = f"""
import sys
from benchmark.cli.main import main
try:
    main({command!r})
finally:
    assert not set({heavy!r}) & set(sys.modules), set({heavy!r}) & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "check",
    [
        ["ruff", "check", "--no-cache"],
        ["ruff", "format", "--check", "--no-cache"],
        pytest.param(
            ["mypy", "--cache-dir", os.devnull],
            marks=pytest.mark.skipif(
                sys.version_info[:2] != (3, 11), reason="packages' own types differ by Python"
            ),
        ),
    ],
    ids=" ".join,
)
def test_the_code_keeps_its_rules(check: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
