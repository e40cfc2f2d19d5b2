"""What the documentation names is there; what a command makes is what the command makes now."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from benchmark.cli.model_listing import models_markdown
from benchmark.cli.parser import command_names
from benchmark.protocols.registry import protocols

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGES = "benchmark|hear_plugins|tasks|tests|docs|results|examples"


def pages() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pages()
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), f"{page.name} links {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in anchors, f"{page.name} links {target}"


@pages()
def test_files_that_are_named_are_there(page: Path) -> None:
    for path in re.findall(rf"`((?:{PACKAGES})/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@pages()
def test_modules_that_are_run_are_there(page: Path) -> None:
    for module in re.findall(r"python -m (benchmark[\w.]+)", page.read_text(encoding="utf-8")):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), f"{page.name} runs {module}"


def test_the_models_are_listed() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert models_markdown() in page, "`hear-benchmark models --markdown` makes that table"


def test_the_protocols_are_listed() -> None:
    page = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    for protocol in protocols():
        assert f"| `{protocol.name}` |" in page


def test_every_command_is_in_the_readme() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| command | does |")[2]
    for name in command_names():
        assert f"`{name}" in table, f"{name} is missing"


def test_the_picture_is_what_its_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_data_flow.py"))["picture"]()
    assert (ROOT / "docs" / "data_flow.svg").read_text(encoding="utf-8") == drawn
