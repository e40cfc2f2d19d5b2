"""Whatever a module gives or raises: one line that names it, or embeddings that are sound."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.models.conformance import check_before_run, validate
from benchmark.models.hear_module import ModelSpec, load_model

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

NAME = "hostile_hear_module"


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


errors = st.sampled_from(
    [
        ValueError("a\nb\x1b[2J"),
        RuntimeError("x" * 100_000),
        RecursionError(),
        MemoryError(),
        AssertionError(),
        KeyError(None),
        OSError(28, "No space left on device"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        _Unspeakable(),
        StopIteration(),
    ]
)
dtypes = st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64])
tensors = st.builds(
    lambda shape, dtype, fill: torch.full(shape, fill).to(dtype),
    st.lists(st.integers(0, 4), max_size=4),
    dtypes,
    st.sampled_from([0.0, 1.0, -1.0, 1e30, float("nan"), float("inf")]),
)
values = st.one_of(
    tensors,
    st.none(),
    st.integers(),
    st.text(max_size=3),
    tensors.map(lambda t: t.numpy()),
    st.lists(tensors, max_size=3),
    st.tuples(tensors, tensors),
    st.just(torch.empty(2, 3, device="meta")),
    st.just(torch.eye(3).to_sparse()),
)
sizes = st.one_of(st.integers(-1, 5), st.none(), st.just("16000"), st.booleans(), st.just(2.0))


def make(gives: Any, attributes: dict[str, Any]) -> None:
    module: Any = ModuleType(NAME)

    class Model(torch.nn.Module):
        pass

    def load_model(path: str = "") -> Model:
        model = Model().eval()
        for name, value in attributes.items():
            setattr(model, name, value)
        return model

    def answer(audio: torch.Tensor, model: Model) -> Any:
        if isinstance(gives, BaseException):
            raise gives
        return gives

    module.load_model = load_model
    module.get_scene_embeddings = module.get_timestamp_embeddings = answer
    sys.modules[NAME] = module


@settings(max_examples=1500)
@given(
    st.one_of(values, errors),
    st.one_of(
        st.just({"sample_rate": 16000, "scene_embedding_size": 3, "timestamp_embedding_size": 3}),
        st.dictionaries(
            st.sampled_from(["sample_rate", "scene_embedding_size", "timestamp_embedding_size"]),
            sizes,
        ),
    ),
    st.sampled_from(["scene", "event"]),
)
def test_one_line_or_sound_embeddings(gives: Any, attributes: dict[str, Any], kind: str) -> None:
    make(gives, attributes)
    try:
        check_before_run(load_model(ModelSpec(NAME)), kind)
    except UserError as error:
        text = str(error)
        assert NAME in text and len(text) < 2000
        assert text.isprintable(), repr(text)
    else:
        found = np.asarray(gives if kind == "scene" else gives[0])
        assert np.isfinite(found).all() and found.dtype == np.float32


@settings(max_examples=150)
@given(st.one_of(values, errors))
def test_validate_ends_with_a_verdict(gives: Any) -> None:
    sizes = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")
    make(gives, dict(zip(sizes, (16000, 3, 3), strict=True)))
    checks = list(validate(NAME, device="cpu"))
    assert any(not check.ok for check in checks)
    assert all(check.detail.isprintable() for check in checks)
