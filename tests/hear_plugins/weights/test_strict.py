"""Tensors and networks that do not fit are told apart, and the tensor is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hear_plugins.weights.errors import WeightsError
from hear_plugins.weights.strict import axis_size, load_strict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("1.bias"), "tensor 1.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "tensor extra is unexpected"),
        (
            lambda state: state.update({"0.weight": torch.zeros(3, 4)}),
            r"tensor 0.weight has shape \(3, 4\), expected \(4, 3\)",
        ),
        (lambda state: state.update({"1.wait": state.pop("1.weight")}), "1.weight is missing"),
        (lambda state: state.clear(), r"0.weight is missing \(and 3 more\)"),
    ],
)
def test_strict_loading_names_the_tensor(change: Any, message: str) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = dict(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5)).state_dict())
    change(state)
    with pytest.raises(WeightsError, match=message):
        load_strict(network, state, Path("some.pth"))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_ignored_tensors_may_be_there_or_not() -> None:
    network = torch.nn.Linear(3, 4)
    state = dict(torch.nn.Linear(3, 4).state_dict())
    load_strict(network, state, Path("some.pth"), ignored=("head.", "step"))
    state |= {"head.weight": torch.zeros(2), "step": torch.zeros(())}
    load_strict(network, state, Path("some.pth"), ignored=("head.", "step"))
    with pytest.raises(WeightsError, match="head.weight is unexpected"):
        load_strict(network, state, Path("some.pth"), ignored=("step", "hea"))


def test_another_models_checkpoint_is_recognised() -> None:
    other = {"student_encoder.blocks.0.attn.qkv.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="looks like a checkpoint of matpac"):
        load_strict(torch.nn.Linear(3, 4), other, Path("some.pth"))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("0.weight", torch.full((4, 3), NAN), "tensor 0.weight holds values that are not finite"),
        ("0.weight", torch.eye(4)[:, :3] * INF, "tensor 0.weight holds values that are not"),
        ("0.bias", torch.tensor([INF, 0, 0, -INF]), "tensor 0.bias holds values that are not"),
        (
            "0.bias",
            torch.full((4,), 1e300, dtype=torch.float64),
            "tensor 0.bias holds .* in torch.float32",
        ),
        ("0.bias", torch.ones(4, dtype=torch.int64), "tensor 0.bias has torch.int64"),
        ("1.running_var", torch.tensor([1.0, -1, 1, 1]), "running_var is a variance"),
    ],
)
def test_values_that_spoil_every_embedding_are_refused(
    name: str, value: torch.Tensor, message: str
) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    state = {**network.state_dict(), name: value}
    with pytest.raises(WeightsError, match=message):
        load_strict(network, state, Path("some.pth"))


def test_large_finite_values_load() -> None:
    network = torch.nn.Linear(3, 4)
    state = {"weight": torch.full((4, 3), 3e38), "bias": torch.full((4,), 6e4).half()}
    load_strict(network, state, Path("some.pth"))
    assert network.weight[0, 0] == torch.tensor(3e38)


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 1000), ()])
def test_networks_are_not_built_from_other_sizes(shape: tuple[int, ...]) -> None:
    tensors = {"head": torch.zeros(1).expand(shape) if shape else torch.zeros(())}
    rules: dict[str, int] = {"dims": 2, "default": 7, "largest": 100}
    with pytest.raises(WeightsError, match="some.pth.*tensor head has shape.*expected 2 axes"):
        axis_size(Path("some.pth"), tensors, "head", 1, **rules)
    assert axis_size(Path("some.pth"), {}, "head", 1, **rules) == 7
    assert axis_size(Path("some.pth"), {"head": torch.zeros(2, 9)}, "head", 1, **rules) == 9
