"""Sphinx: `make docs` builds these pages and the API reference into build/site."""

from __future__ import annotations

from sphinx.application import Sphinx

project = "hear-plugins"
extensions = ["myst_parser", "autoapi.extension", "sphinx.ext.napoleon"]
html_theme = "furo"
exclude_patterns = ["*.py"]

# Pages are Markdown; their headings are targets of links.
myst_heading_anchors = 3

# The reference is made of the docstrings without importing anything.
autoapi_dirs = [f"../{package}" for package in ("hear_plugins", "tasks", "benchmark")]
autoapi_root = "api"
autoapi_options = ["members", "undoc-members", "show-module-summary"]
autoapi_member_order = "bysource"
autoapi_own_page_level = "module"
autoapi_python_class_content = "both"
autoapi_keep_files = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# Constants are not listed; words of types such as "rows" need no link.
suppress_warnings = ["autoapi.python_import_resolution", "ref.python"]
# Docstrings write code in single backticks, as in Markdown.
default_role = "code"


def _keep_layout(
    _app: Sphinx, what: str, name: str, _obj: object, _opt: object, lines: list[str]
) -> None:
    """Cards of models, and commands: shown as they stand, below the first line."""
    if (
        what == "module"
        and name.startswith(("hear_plugins.", "benchmark.studies."))
        and len(lines) > 2
    ):
        lines[1:] = ["", "::", "", *(f"    {line}" for line in lines[1:]), ""]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _keep_layout)
