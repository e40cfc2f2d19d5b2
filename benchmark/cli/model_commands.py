"""``models``, ``new`` and ``validate``."""

from __future__ import annotations

import argparse
import keyword
from pathlib import Path

from benchmark.cli.console import DONE, FAILED
from benchmark.cli.options import Commands, add_command, add_verbose, module_name
from benchmark.errors import UserError


def add_commands(commands: Commands) -> None:
    """Declare ``models``, ``new`` and ``validate``."""
    models = add_command(
        commands, "models", _models, "the models of this package, and their weights"
    )
    models.add_argument("name", nargs="?", default="", metavar="MODULE", help="one in full")
    models.add_argument(
        "--ready", action="store_true", help="only the names of those whose weights are here"
    )
    models.add_argument("--markdown", action="store_true", help="as the README has them")
    new = add_command(commands, "new", _new, "write a module of your own that passes `validate`")
    new.add_argument("name", metavar="NAME", help="of the module; NAME.py is written here")
    validate = add_command(
        commands, "validate", _validate, "check a module against the HEAR API, strictly"
    )
    validate.add_argument("module", type=module_name, metavar="MODULE")
    validate.add_argument("--model", "-m", default="", metavar="FILE", help="weights file")
    validate.add_argument("--device", "-d", default=None, help="cpu or cuda")
    validate.add_argument("--options", default="{}", metavar="JSON", help="for load_model")
    add_verbose(validate)


def _models(options: argparse.Namespace) -> int:
    from benchmark.cli.model_listing import (
        model_details,
        models_markdown,
        models_table,
        ready_modules,
    )

    if options.name:
        print(model_details(options.name))
    elif options.ready:
        print("\n".join(ready_modules()))
    else:
        print(models_markdown() if options.markdown else models_table())
    return DONE


def _new(options: argparse.Namespace) -> int:
    from benchmark.cli.model_template import TEMPLATE

    name = options.name.removesuffix(".py")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(f"{options.name}: expected the name of a Python module, such as my_model")
    path = Path(f"{name}.py")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.replace("{name}", name))
    except FileExistsError:
        raise UserError(f"{path} is there already; choose another name") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    print(f"{path}\ncheck it: hear-benchmark validate {name}")
    return DONE


def _validate(options: argparse.Namespace) -> int:
    from benchmark.execution.validation import validate_apart
    from benchmark.models.conformance import Check
    from benchmark.models.hear_module import parse_options

    found: list[Check] = []

    def show(check: Check) -> None:
        found.append(check)
        broken = "FAIL" if check.required else "warn"
        verdict = broken if not check.ok else "note" if check.advice else "ok"
        print(f"{verdict:4}  {check.name}: {check.detail}", flush=True)
        if options.verbose and check.trace:
            print(check.trace, flush=True)

    given = parse_options(options.options)
    validate_apart(options.module, options.model, options.device, given, show)
    failed = sum(not check.ok and check.required for check in found)
    warned = sum(not check.ok and not check.required for check in found)
    if failed:
        print(f"{options.module}: {failed} of {len(found)} checks fail")
    else:
        print(f"Looks good!{f' {warned} warnings beyond the HEAR API' if warned else ''}")
    return FAILED if failed else DONE
