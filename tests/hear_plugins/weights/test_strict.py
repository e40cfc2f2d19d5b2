"""Tensors and networks that do not fit are told apart, and the tensor is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hear_plugins.weights.errors import WeightsError
from hear_plugins.weights.strict import load_strict


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
