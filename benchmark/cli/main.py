"""``hear-benchmark``: dispatch to the commands, exit codes, signals.

Exit codes: 0 all done; 1 some of the work failed, what could be finished is kept; 2 the command or
its input is wrong, nothing was started; 130 interrupted, the same line goes on where it was.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

# Only what --help needs is imported here: torch and the models take seconds.
from benchmark.cli.console import DONE, FAILED, INTERRUPTED, WRONG, say
from benchmark.cli.parser import parse
from benchmark.errors import DiskFullError, UserError
from benchmark.import_path import put_user_folder_last
from benchmark.models.library_messages import messages_of_libraries


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Parameters
    ----------
    arguments
        Words after the command's name; those of the process if None.
    """
    options = parse(list(sys.argv[1:] if arguments is None else arguments))
    # Before torch is loaded: threads that spin while they wait cost twice the CPU time beside other
    # work, and gain nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # As with `python -m`: a module in the current folder is a model like any other.
    put_user_folder_last()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with messages_of_libraries(lambda text: say(f"note: {text}")):
            code: int = options.command(options)
        return code
    except DiskFullError as error:
        sys.stderr.write(f"hear-benchmark: {error}\n")
        return FAILED
    except _input_errors() as error:
        sys.stderr.write(f"hear-benchmark: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("\nhear-benchmark: interrupted; type the same line again to go on\n")
        return INTERRUPTED
    except BrokenPipeError:  # `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
        return DONE


def _interrupt(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _input_errors() -> tuple[type[Exception], ...]:
    from benchmark.records.json_form import RecordError
    from tasks.folder import TaskError

    return (UserError, RecordError, TaskError)
