"""Training of one head, step by step as Lightning does it for hear-eval-kit.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`, task_predictions_train,
with pytorch-lightning 1.9.5's loop, EarlyStopping and ModelCheckpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.heads import Head
from benchmark.hear_grid import Conf
from benchmark.native_data import Rows

BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-8  # torch.optim.Adam's defaults

# Called with a head that is being validated; returns its score and what else belongs to the epoch.
Validate = Callable[[Head], tuple[float, Any]]


@dataclass(frozen=True)
class Best:
    """The epoch that a training run is judged by.

    Attributes
    ----------
    score
        Validation score as Lightning logs it (`as_logged`); an infinity for NaN.
    epoch
        Counted from 0.
    extra
        What `Validate` returned beside the score.
    state
        The head's parameters and statistics at the end of that epoch.
    """

    score: float
    epoch: int
    extra: Any
    state: dict[str, Tensor]


class Adam:
    """torch.optim.Adam with its defaults and its roundings.

    torch's own imports a compiler when it is first made, which takes longer than a small task.

    Parameters
    ----------
    parameters
        What is optimised, from the gradients that `backward` left.
    lr
        Learning rate.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.lr = lr
        self.steps = 0
        self.state = [
            (value, torch.zeros_like(value), torch.zeros_like(value), torch.empty_like(value))
            for value in parameters
        ]

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter and forget its gradient."""
        self.steps += 1
        step_size = self.lr / (1 - BETA_1**self.steps)
        correction = (1 - BETA_2**self.steps) ** 0.5
        for value, mean, square, scale in self.state:
            gradient = value.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - BETA_1)
            square.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
            torch.sqrt(square, out=scale).div_(correction).add_(ADAM_EPSILON)
            value.addcdiv_(mean, scale, value=-step_size)
            value.grad = None


def train(
    head: Head,
    rows: Rows,
    conf: Conf,
    validate: Validate,
    maximize: bool,
    generator: torch.Generator,
    *,
    shuffle: bool = False,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> Best:
    """Train until the validation score has not improved for a while.

    Parameters
    ----------
    head
        Trained in place.
    rows
        Training data.
    conf
        Point of the grid: batch_size, lr, max_epochs, check_val_every_n_epoch, patience (counted
        in checks, not in epochs).
    validate, maximize
        Judge of an epoch, and whether more is better.
    generator
        The random stream; it also orders shuffled rows.
    shuffle
        Draw a new order of rows for each epoch. The kit does not.
    on_epoch
        Called before each epoch with its number.

    Raises
    ------
    UserError
        If no epoch is ever validated, or the last batch has one row and the head batch norm.
    """
    every, batch_size = conf["check_val_every_n_epoch"], conf["batch_size"]
    if every > conf["max_epochs"]:
        raise UserError(f"validation at every {every} of {conf['max_epochs']} epochs is never")
    if conf["hidden_layers"] and rows.count % batch_size == 1:
        raise UserError(
            f"{rows.count} training rows leave a last batch of one, of which batch norm cannot take"
            " a variance; hear-eval-kit fails too: change the number of training rows"
        )
    optimizer = Adam(head.parameters(), conf["lr"])
    best: Best | None = None
    waited = 0
    for epoch in range(conf["max_epochs"]):
        on_epoch(epoch)
        head.train()
        _skip_loader_seed(generator)
        order = torch.randperm(rows.count, generator=generator) if shuffle else None
        for x, wanted in rows.batches(batch_size, order):
            head.loss(head(x), wanted).backward()
            optimizer.step()
        if (epoch + 1) % every:
            continue
        _skip_loader_seed(generator)
        head.eval()
        with torch.inference_mode():
            score, extra = validate(head)
        if best is None or (score > best.score if maximize else score < best.score):
            # A first score that is not a number counts as the worst (ModelCheckpoint).
            kept = (-math.inf if maximize else math.inf) if math.isnan(score) else score
            state = {name: value.clone() for name, value in head.state_dict().items()}
            best, waited = Best(kept, epoch, extra, state), 0
        else:
            waited += 1
        # EarlyStopping stops at NaN and infinities at once (check_finite).
        if not math.isfinite(score) or waited >= conf["patience"]:
            break
    assert best is not None
    return best


def predict(head: Head, rows: Rows, batch_size: int) -> tuple[Tensor, Tensor]:
    """Logits and probabilities (rows, labels) of a head in evaluation mode.

    Batch by batch as the kit: where a tensor is cut decides which elements a vectorised
    function leaves to its scalar tail, which rounds differently.
    """
    with torch.inference_mode():
        logits = [head(x) for x, _ in rows.batches(batch_size)]
        return torch.cat(logits), torch.cat([head.probabilities(part) for part in logits])


def as_logged(value: float) -> float:
    """The value as Lightning's logger keeps it: a tensor made of it.

    So Python's floats become float32, but NumPy's float64, which only d' is, stay what they are.
    """
    return float(torch.tensor(value).item())


def _skip_loader_seed(generator: torch.Generator) -> None:
    # Each pass over a DataLoader draws a seed for workers that the kit does not have.
    torch.empty((), dtype=torch.int64).random_(generator=generator)
