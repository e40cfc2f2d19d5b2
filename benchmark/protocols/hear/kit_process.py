"""hear-eval-kit 2021.1.3's own prediction step, with the shims that it needs to run today.

``python -m benchmark.protocols.hear.kit_process`` takes the arguments of
``python -m heareval.predictions.runner`` and calls it. `benchmark.protocols.hear.kit` starts this
module as a process of its own with ``--report`` before them: JSON lines about the progress then go
to stdout, all else to stderr, and the process ends when its stdin closes, so it never outlives the
one that started it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from benchmark.errors import one_line

Report = Callable[..., None]


def main(arguments: Sequence[str]) -> int:
    """Run hear-eval-kit's prediction runner; returns the exit code.

    Parameters
    ----------
    arguments
        Those of ``heareval.predictions.runner``, or ``--report`` and those.
    """
    if arguments[:1] != ["--report"]:
        _runner()(list(arguments))
        return 0
    _end_with_parent()
    report = _report_to(os.dup(1))
    os.dup2(2, 1)  # the kit prints a lot
    try:
        runner = _runner()
        _watch(report)
        runner(list(arguments[1:]), standalone_mode=False)
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        # The kit's assertions have no text.
        report(error=one_line(error) + ("" if str(error) else f" at: {last.line}"))
        return 1
    return 0


def _runner() -> Any:
    """The kit's command, imported after the shims."""
    # Lightning's checkpoints hold classes, and the kit loads only those that it wrote itself.
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    # Nothing here needs TensorFlow; where it is installed, libraries may want to import it.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    _let_the_epoch_be_set()
    return import_module("heareval.predictions.runner").runner


def _let_the_epoch_be_set() -> None:
    """The kit sets `current_epoch` to find the best epoch's event post-processing again.

    Lightning dropped that setter in 1.6, and event tasks die of a KeyError after all the training.
    """
    loops: Any = import_module("pytorch_lightning.loops")

    def get(loop: Any) -> int:
        return int(loop.epoch_progress.current.completed)

    def put(loop: Any, epoch: int) -> None:
        loop.epoch_progress.current.completed = epoch

    loops.FitLoop.current_epoch = property(get, put)


def _watch(report: Report) -> None:
    """Report the steps that the kit logs and the epochs that Lightning trains, nothing else."""
    import torch

    lightning: Any = import_module("pytorch_lightning")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    class Epochs(lightning.Callback):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            report(epoch=trainer.current_epoch + 1, epochs=trainer.max_epochs)

    class Steps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            step = re.match(r"(Grid point|Training split) (\d+) of (\d+)", record.getMessage())
            if step:
                report(step=step[1], number=int(step[2]), of=int(step[3]))

    trainer = lightning.Trainer

    def quiet_trainer(callbacks: list[Any], **options: Any) -> Any:
        return trainer(
            callbacks=[*callbacks, Epochs()],
            enable_progress_bar=False,
            enable_model_summary=False,
            **{**options, "profiler": None},
        )

    lightning.Trainer = quiet_trainer
    logging.getLogger().addHandler(Steps())


def _report_to(descriptor: int) -> Report:
    stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
    return lambda **fields: print(json.dumps(fields), file=stream)


def _end_with_parent() -> None:
    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
