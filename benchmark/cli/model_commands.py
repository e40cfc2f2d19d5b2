"""``models``, ``new`` and ``validate``."""

from __future__ import annotations

import argparse
import keyword
from pathlib import Path

from benchmark.cli.console import DONE, FAILED
from benchmark.cli.options import Commands, add_command, module_name
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
    from benchmark.models.conformance import validate
    from benchmark.models.hear_module import parse_options

    results = validate(
        options.module, options.model, device=options.device, options=parse_options(options.options)
    )
    for result in results:
        verdict = "FAIL" if not result.ok else "note" if result.advice else "ok"
        print(f"{verdict:4}  {result.name}: {result.detail}")
    failed = sum(not result.ok for result in results)
    print(f"{options.module}: {failed} of {len(results)} checks fail" if failed else "Looks good!")
    return FAILED if failed else DONE
