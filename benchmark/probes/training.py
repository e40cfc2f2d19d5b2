"""Training of one head, step by step as Lightning does it for hear-eval-kit.

Source: hear-eval-kit 2021.1.3, `heareval/predictions/task_predictions.py`, task_predictions_train,
with pytorch-lightning 1.9.5's loop, EarlyStopping and ModelCheckpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmark.embeddings.dataset import Rows
from benchmark.errors import UserError
from benchmark.probes.mlp import Head, Hparams, init_head
from benchmark.probes.registry import Probe, ProbeData

BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-8  # torch.optim.Adam's defaults

# Called with a head that is being validated; returns its score and what else belongs to the epoch.
Validate = Callable[[Head], tuple[float, Any]]


@dataclass(frozen=True)
class Best:
    """The epoch whose state a training run keeps.

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
    curve
        Epoch and score of every validation of the training.
    """

    score: float
    epoch: int
    extra: Any
    state: dict[str, Tensor]
    curve: tuple[tuple[int, float], ...] = ()


class EarlyStopping:
    """Validates a head now and then, keeps its best state and says when to stop.

    Lightning's ModelCheckpoint and EarlyStopping in one.

    Parameters
    ----------
    hparams
        max_epochs, check_val_every_n_epoch and patience, which is counted in checks.
    validate, maximize
        Score of an epoch, and whether more is better.

    Attributes
    ----------
    best
        The first of the best epochs so far.
    """

    def __init__(self, hparams: Hparams, validate: Validate, maximize: bool) -> None:
        self.every, self.epochs = hparams["check_val_every_n_epoch"], hparams["max_epochs"]
        if self.every > self.epochs:
            raise UserError(f"validation at every {self.every} of {self.epochs} epochs is never")
        self.patience = hparams["patience"]
        self.validate = validate
        self.maximize = maximize
        self.best: Best | None = None
        self.curve: list[tuple[int, float]] = []
        self.waited = 0

    def is_due(self, epoch: int) -> bool:
        """Whether the head is validated after this epoch."""
        return (epoch + 1) % self.every == 0

    def should_stop(self, epoch: int, head: Head) -> bool:
        """Validate a head after an epoch; True if there is nothing more to expect of it."""
        head.eval()
        with torch.inference_mode():
            score, extra = self.validate(head)
        self.curve.append((epoch, score))
        if self.best is None or (
            score > self.best.score if self.maximize else score < self.best.score
        ):
            # A first score that is not a number counts as the worst (ModelCheckpoint).
            worst = -math.inf if self.maximize else math.inf
            state = {name: value.clone() for name, value in head.state_dict().items()}
            self.best = Best(worst if math.isnan(score) else score, epoch, extra, state)
            self.waited = 0
        else:
            self.waited += 1
        # EarlyStopping stops at NaN and infinities at once (check_finite).
        return not math.isfinite(score) or self.waited >= self.patience

    def result(self) -> Best:
        """The best epoch of a training that has ended."""
        assert self.best is not None
        return replace(self.best, curve=tuple(self.curve))


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
    hparams: Hparams,
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
    hparams
        lr, batch_size, max_epochs, check_val_every_n_epoch, patience, and those of `Head`.
    validate, maximize
        Score of an epoch, and whether more is better.
    generator
        Source of random numbers; it also orders shuffled rows.
    shuffle
        Draw a new order of rows for each epoch. The kit does not.
    on_epoch
        Called before each epoch with its number.

    Raises
    ------
    UserError
        If no epoch is ever validated, or the last batch has one row and the head batch norm.
    """
    stopping = EarlyStopping(hparams, validate, maximize)
    check_last_batch(rows, hparams)
    optimizer = Adam(head.parameters(), hparams["lr"])
    for epoch in range(hparams["max_epochs"]):
        on_epoch(epoch)
        head.train()
        _skip_loader_seed(generator)
        order = torch.randperm(rows.count, generator=generator) if shuffle else None
        for x, targets in rows.batches(hparams["batch_size"], order):
            head.loss(head(x), targets).backward()
            optimizer.step()
        if stopping.is_due(epoch):
            _skip_loader_seed(generator)
            if stopping.should_stop(epoch, head):
                break
    return stopping.result()


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Compute on so many threads.

    The kit also turns deterministic algorithms on: on a CPU no operation here has another one, and
    the switch alone imports a compiler, which takes longer than a small task.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_device(device: str) -> None:
    """Raise `UserError` if probes cannot be trained on that device here."""
    kind = device.partition(":")[0]
    if kind != "cpu" and not (kind == "cuda" and torch.cuda.is_available()):
        raise UserError(f"--train-device {device}: not available here; expected cpu or cuda[:N]")


def check_last_batch(rows: Rows, hparams: Hparams) -> None:
    """Raise `UserError` if batch norm would have to take the variance of one row."""
    if hparams["hidden_layers"] and rows.count % hparams["batch_size"] == 1:
        raise UserError(
            f"{rows.count} training rows leave a last batch of one, of which batch norm cannot take"
            " a variance; hear-eval-kit fails too: change the number of training rows"
        )


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


@dataclass(frozen=True)
class FittedHead:
    """A trained head at its best epoch."""

    head: Head
    best: Best
    batch_size: int

    def predict(self, rows: Rows) -> Tensor:
        """(rows, labels) float32 probabilities."""
        return predict(self.head, rows, self.batch_size)[1]


def fit_mlp(data: ProbeData, hparams: Hparams, generator: torch.Generator) -> FittedHead:
    """HEAR's network, trained until the score of `data.valid` no longer improves."""
    batch_size = hparams["batch_size"]
    rows = data.train
    head = init_head(
        data.embed_dim,
        rows.multi_hot.shape[1],
        not rows.targets.is_floating_point(),
        hparams,
        generator,
        rows.targets.device,
        rows.label_mask is not None,
    )

    def validate(head: Head) -> tuple[float, None]:
        return data.score(predict(head, data.valid, batch_size)[1]), None

    best = train(head, rows, hparams, validate, True, generator)
    head.load_state_dict(best.state)
    head.eval()
    return FittedHead(head, best, batch_size)


PROBES = (
    Probe(
        "mlp",
        "HEAR's shallow network: linear layers, batch norm, dropout, early stopping",
        {
            "hidden_layers": 1,
            "hidden_dim": 1024,
            "dropout": 0.1,
            "lr": 1e-3,
            "patience": 20,
            "max_epochs": 500,
            "check_val_every_n_epoch": 3,
            "batch_size": 1024,
            "norm_after_activation": False,
            "initialization": "xavier_uniform_",
        },
        fit_mlp,
    ),
)
