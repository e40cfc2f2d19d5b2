"""A linear layer against a plain loop of torch, and against scikit-learn at the optimum."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_rows import blobs, rows_of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmark.errors import UserError
from benchmark.probes.examples import Examples, fit_scaling
from benchmark.probes.linear import (
    LinearHparams,
    LinearProbe,
    probabilities,
    train_linear,
    validation_losses,
)

RATES = (1e-2, 1e-3, 1e-1)


def several_labels(rows: int, seed: int, unknown: bool = False) -> tuple[np.ndarray, np.ndarray]:
    x, y = blobs(rows, 4, 12, seed)
    targets = np.eye(4, dtype=np.float32)[y]
    targets[::3] = np.maximum(targets[::3], np.eye(4, dtype=np.float32)[(y[::3] + 1) % 4])
    if unknown:
        targets[np.random.default_rng(seed).random(targets.shape) < 0.4] = np.nan
    return x, targets


def trained(
    rates: tuple[float, ...], hparams: LinearHparams, train: Examples, valid: Examples, labels: int
) -> list[LinearProbe]:
    return train_linear(
        train,
        labels,
        rates,
        hparams,
        lambda logits: validation_losses(logits, valid.targets),
        valid,
        torch.Generator().manual_seed(3),
    )


class Weighing(torch.nn.Linear):
    """A linear layer on a mean over layers with learned weights, as SUPERB describes it."""

    def __init__(self, layers: int, size: int, labels: int) -> None:
        super().__init__(size, labels)
        self.of_layers = torch.nn.Parameter(torch.zeros(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        of_each = x.unflatten(1, (len(self.of_layers), -1))
        weights = self.of_layers.softmax(dim=0)
        return super().forward((weights[:, None] * of_each).sum(dim=1))


def plain_loop(
    rate: float, hparams: LinearHparams, train: Examples, valid: Examples, labels: int
) -> tuple[Weighing, float, int]:
    """The same, as one would write it without knowing of the other."""
    generator = torch.Generator().manual_seed(3)
    x, targets = train.embeddings(), train.targets
    size = x.shape[1] // hparams.layers
    layer = Weighing(hparams.layers, size, labels)
    bound = size**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)

    def loss_of(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if wanted.dim() == 1:
            return torch.nn.functional.cross_entropy(logits, wanted)
        known = ~wanted.isnan()
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[known], wanted[known])

    adam = torch.optim.Adam(layer.parameters(), lr=rate, weight_decay=hparams.weight_decay)
    best, best_loss, best_epoch, waited = layer, float("inf"), -1, 0
    for epoch in range(hparams.max_epochs):
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x), hparams.batch_size):
            batch = order[start : start + hparams.batch_size]
            adam.zero_grad()
            loss = loss_of(layer(x[batch]), targets[batch])
            (loss / labels if hparams.divide_by_classes else loss).backward()
            adam.step()
        with torch.no_grad():
            found = float(loss_of(layer(valid.embeddings()), valid.targets))
        waited += 1
        if found < best_loss:
            best = Weighing(hparams.layers, size, labels)
            best.load_state_dict(layer.state_dict())
            best_loss, best_epoch, waited = found, epoch, 0
        if waited == hparams.patience:
            break
    return best, best_loss, best_epoch


@pytest.mark.parametrize(
    ("kind", "hparams"),
    [
        ("one label", LinearHparams(32, 25, 4)),
        ("one label", LinearHparams(50, 12, 12, weight_decay=1e-2, divide_by_classes=True)),
        ("several labels", LinearHparams(32, 15, 5)),
        ("partly known labels", LinearHparams(32, 15, 5)),
        ("one label", LinearHparams(32, 25, 4, layers=3)),
        ("one label", LinearHparams(32, 25, 4, layers=3, weight_decay=1e-2)),
        ("partly known labels", LinearHparams(32, 15, 5, layers=2)),
    ],
)
def test_rates_together_learn_what_each_learns_alone(kind: str, hparams: LinearHparams) -> None:
    if kind == "one label":
        data = [blobs(rows, 4, 12, seed, noise=4) for rows, seed in ((110, 0), (60, 1))]
    else:
        unknown = kind.startswith("partly")
        data = [several_labels(rows, seed, unknown) for rows, seed in ((110, 0), (60, 1))]
    train, valid = (Examples(rows_of(*part, labels=4)) for part in data)
    together = trained(RATES, hparams, train, valid, 4)
    if hparams.patience < hparams.max_epochs:
        assert len({probe.epoch for probe in together}) > 1
    for rate, probe in zip(RATES, together, strict=True):
        layer, loss, epoch = plain_loop(rate, hparams, train, valid, 4)
        assert probe.learning_rate == rate
        assert probe.epoch == epoch
        assert -probe.score == pytest.approx(loss, rel=1e-4)
        weights = layer.of_layers.detach().softmax(dim=0)
        whole = torch.cat([weight * layer.weight.detach() for weight in weights], dim=1)
        torch.testing.assert_close(probe.weight, whole, rtol=1e-3, atol=1e-4)
        if hparams.layers > 1:
            torch.testing.assert_close(probe.layer_weights, weights, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(probe.bias, layer.bias.detach(), rtol=1e-3, atol=1e-4)
        (alone,) = trained((rate,), hparams, train, valid, 4)
        torch.testing.assert_close(probe.weight, alone.weight, rtol=1e-3, atol=1e-4)


def test_the_weights_choose_the_layer_that_tells() -> None:
    x, y = blobs(200, 4, 8, noise=0.5)
    chance = np.random.default_rng(5)
    layers = [chance.standard_normal(x.shape).astype(np.float32) for _ in range(4)]
    layers[2] = x
    rows = rows_of(np.concatenate(layers, axis=1), y)
    train, valid = Examples(rows, torch.arange(150)), Examples(rows, torch.arange(150, 200))
    (probe,) = trained((3e-2,), LinearHparams(32, 100, 100, layers=4), train, valid, 4)
    weights = probe.layer_weights
    assert weights is not None and float(weights.sum()) == pytest.approx(1)
    assert int(weights.argmax()) == 2 and float(weights[2]) > 0.6
    assert float((probe.logits(valid).argmax(dim=1) == valid.targets).float().mean()) > 0.9


def test_hopeless_rates_are_dropped_and_change_nothing_else() -> None:
    train, valid = (Examples(rows_of(*blobs(rows, 4, 12, rows), labels=4)) for rows in (110, 60))
    rates = (1e-2, 1e-5)
    plain = LinearHparams(32, 30, 30)
    whole = trained(rates, plain, train, valid, 4)
    epochs: list[int] = []

    def judge(logits: torch.Tensor) -> list[float]:
        epochs.append(len(logits))
        return validation_losses(logits, valid.targets)

    raced = train_linear(
        train,
        4,
        rates,
        replace(plain, drop_hopeless=True),
        judge,
        valid,
        torch.Generator().manual_seed(3),
    )
    # The slow one is left as soon as it has risen five times.
    assert epochs == [2] * 6 + [1] * 24
    assert raced[1].epoch == 5
    assert (raced[0].epoch, raced[0].learning_rate) == (whole[0].epoch, 1e-2)
    torch.testing.assert_close(raced[0].weight, whole[0].weight, rtol=1e-5, atol=1e-6)


def test_a_late_winner_is_not_dropped() -> None:
    def slow(epoch: int) -> list[float]:
        return [min(epoch, 4) * 0.1, -20 + epoch]  # the second wins in the last epoch

    counted = iter(range(30))
    train = Examples(rows_of(*blobs(40, 2, 3)))
    probes = train_linear(
        train,
        2,
        (1e-2, 1e-3),
        LinearHparams(40, 30, 30, drop_hopeless=True),
        lambda logits: slow(next(counted))[: len(logits)],
        train,
        torch.Generator(),
    )
    assert [probe.score for probe in probes] == [0.4, 9]


@pytest.mark.parametrize("fusion", [False, True])
def test_the_optimum_is_that_of_logistic_regression(fusion: bool) -> None:
    """As ``linear`` has its loss, and with the scaling and the loss of ``linear-fusion``."""
    x, y = blobs(150, 3, 6, noise=2)
    train = Examples(rows_of(x * 5 + 9 if fusion else x, y))
    decay = 0.02  # scikit-learn leaves a bias out of the penalty, but not a feature that is 1
    if fusion:
        x = StandardScaler().fit_transform(x)
        train = replace(train, scaling=fit_scaling(train))
    hparams = LinearHparams(
        150, 1200, 1, weight_decay=decay, divide_by_classes=fusion, ties_count=True
    )
    (probe,) = train_linear(
        train,
        3,
        [1e-2],
        hparams,
        lambda logits: [0.0] * len(logits),
        train,
        torch.Generator().manual_seed(0),
    )
    assert probe.epoch == 1199
    ones = np.hstack([x, np.ones((150, 1))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c = 1 / (decay * 150 * (3 if fusion else 1))
        fit = LogisticRegression(C=c, fit_intercept=False, tol=1e-8).fit(ones, y)
    expected = fit.predict_proba(ones)
    found = probabilities(probe.logits(train), True).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_several_labels_are_as_many_logistic_regressions() -> None:
    x, targets = several_labels(200, 0)
    train = Examples(rows_of(x, targets))
    decay = 0.01
    hparams = LinearHparams(200, 1200, 1, weight_decay=decay, ties_count=True)
    (probe,) = train_linear(
        train,
        4,
        [1e-2],
        hparams,
        lambda logits: [0.0] * len(logits),
        train,
        torch.Generator().manual_seed(0),
    )
    found = probabilities(probe.logits(train), False).numpy()
    ones = np.hstack([x, np.ones((200, 1))])
    for label in range(4):
        # The loss is a mean over labels too, so each one's penalty weighs four times as much.
        fit = LogisticRegression(C=1 / (4 * decay * 200), fit_intercept=False, tol=1e-8)
        fit.fit(ones, targets[:, label])
        np.testing.assert_allclose(found[:, label], fit.predict_proba(ones)[:, 1], atol=2e-3)


def test_scaling_is_the_standard_scaler() -> None:
    x, y = blobs(97, 3, 5)
    x[:, 2] = 0.1
    examples = Examples(rows_of(x * 50 + 1000, y), torch.arange(3, 90))
    scaler = StandardScaler().fit((x * 50 + 1000)[3:90].astype(np.float64))
    scaling = fit_scaling(examples)
    np.testing.assert_allclose(scaling.mean, scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(1 / scaling.scale, scaler.scale_, rtol=1e-5)


def test_chosen_rows_are_the_only_ones_seen() -> None:
    x, y = blobs(10, 2, 3)
    chosen = torch.tensor([7, 1, 4])
    examples = Examples(rows_of(x, y), chosen)
    assert examples.count == 3
    np.testing.assert_array_equal(examples.embeddings(), x[[7, 1, 4]])
    batches = list(examples.batches(2, torch.Generator().manual_seed(0)))
    assert [len(part) for part, _ in batches] == [2, 1]
    seen = torch.cat([part for part, _ in batches])
    assert {tuple(row) for row in seen.tolist()} == {tuple(row) for row in x[[7, 1, 4]].tolist()}
    assert [y[row] for row in (7, 1, 4)] == examples.targets.tolist()


def test_training_that_never_has_a_finite_loss_is_said() -> None:
    x = np.full((20, 3), 3e38, np.float32)
    examples = Examples(rows_of(x, np.arange(20) % 2))
    with pytest.raises(UserError, match="learning rate 0.1 has a finite"):
        trained((0.1,), LinearHparams(8, 3, 3), examples, examples, 2)
