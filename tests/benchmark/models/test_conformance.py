"""The strict validator finds each fault of a made-up module, and no fault where there is none."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.models.conformance import Check, check_before_run, validate
from benchmark.models.hear_module import ModelSpec, load_model

HOP_MS = 25.0


class Model(torch.nn.Module):
    def __init__(self, fault: str, rate: int) -> None:
        super().__init__()
        self.fault = fault
        self.sample_rate = rate
        self.scene_embedding_size = self.timestamp_embedding_size = 2
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.calls = 0


def frames(audio: Tensor, model: Model) -> tuple[Tensor, Tensor]:
    """Level and offset of 25 ms around 0, 25, 50, ... ms; faults as the model has them."""
    hop = HOP_MS / 1000 * model.sample_rate
    if model.fault == "drift":
        hop = int(hop)
    count = int(audio.shape[1] // hop) + 1
    times = (torch.arange(count) * HOP_MS).repeat(len(audio), 1)
    if model.fault == "irregular":
        times = times + 10 * torch.rand(times.shape)
    if model.fault == "late start":
        times = times + 30
        count = int((times[0] <= 1000 * audio.shape[1] / model.sample_rate).sum())
    if model.fault == "early end":
        count -= 3
    if model.fault == "after the end":
        times = times + 20
    starts = (torch.arange(count) * hop).long()
    padded = torch.nn.functional.pad(audio, (int(hop) // 2, int(hop)))
    windows = torch.stack([padded[:, s : s + int(hop)] for s in starts.tolist()], 1)
    return torch.stack([windows.square().mean(-1), windows.mean(-1)], -1), times[:, :count]


def make_module() -> ModuleType:
    module: Any = ModuleType("made_up_hear_module")

    def load_model(model_file_path: str = "", *, fault: str = "", rate: int = 44100) -> Model:
        model = Model(fault, rate)
        return model.train() if fault in ("dropout", "train mode") else model.eval()

    def get_timestamp_embeddings(audio: Tensor, model: Model) -> Any:
        if model.fault != "careless" and (audio.ndim != 2 or not audio.is_floating_point()):
            raise ValueError("audio")
        if model.fault != "careless" and not audio.isfinite().all():
            raise ValueError("audio")
        if model.fault == "one sample" and audio.shape[1] < 100:
            raise RuntimeError("too short")
        if model.fault == "fails":
            raise ValueError("out of order")
        if model.fault == "chatty":
            print("embedding")
        model.calls += 1
        embeddings, times = frames(audio.float(), model)
        if model.fault == "batch":
            embeddings = embeddings * (1 + audio.square().mean())
        if model.fault == "silence":
            embeddings = embeddings / audio.abs().amax(1)[:, None, None]
        if model.fault == "chance":
            embeddings = embeddings + model.calls
        if model.fault == "double":
            embeddings = embeddings.double()
        if model.fault == "half of the sound":
            half = embeddings.shape[1] // 2
            embeddings, times = embeddings[:, :half], times[:, :half]
        if model.fault == "seconds":
            times = times / 1000
        if model.fault == "negative":
            times = times - 500
        if model.fault == "standing still":
            times = times * 0
        if model.fault == "dropout":
            embeddings = torch.nn.functional.dropout(embeddings, 0.2, model.training)
        if model.fault == "huge":
            embeddings = embeddings.sign() * 1e20
        if model.fault == "constant":
            embeddings = torch.ones_like(embeddings)
        if model.fault == "dtype for all":
            torch.set_default_dtype(torch.float64)
        if model.fault == "gradient":
            embeddings = embeddings * model.weight
        if model.fault == "size":
            embeddings = embeddings[..., :1]
        return embeddings, times

    def get_scene_embeddings(audio: Tensor, model: Model) -> Tensor:
        if model.fault == "careless":
            audio = torch.atleast_2d(audio)
        out: Tensor = get_timestamp_embeddings(audio, model)[0].mean(1)
        return out

    module.load_model = load_model
    module.get_scene_embeddings = get_scene_embeddings
    module.get_timestamp_embeddings = get_timestamp_embeddings
    return module


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = make_module()
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def check(**options: Any) -> dict[str, Check]:
    return {c.name: c for c in validate("made_up_hear_module", device="cpu", options=options)}


def broken(found: dict[str, Check]) -> set[str]:
    return {name for name, check in found.items() if not check.ok}


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_sound_module_passes(rate: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = check(rate=rate)
    assert broken(found) == set()
    assert not any(each.advice for each in found.values())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "rule", "words"),
    [
        ("drift", "drift", "drift by more than"),
        ("irregular", "timestamp embeddings", "equal steps"),
        ("after the end", "timestamp embeddings", "before the end"),
        ("half of the sound", "timestamp embeddings", "near the end"),
        ("seconds", "timestamp embeddings", "are they in seconds?"),
        ("negative", "timestamp embeddings", "expected within the sound"),
        ("standing still", "timestamp embeddings", "do not ascend"),
        ("dropout", "eval mode", "leaves the model in train mode (the model"),
        ("huge", "scale", "values up to 1.0e+20"),
        ("dtype for all", "process state", "the default dtype (torch.float32 to torch.float64)"),
        ("batch", "batch", "in a batch differ"),
        ("silence", "levels", "NaN or infinite"),
        ("chance", "repeatable", "twice differs"),
        ("double", "scene embeddings", "float64"),
        ("size", "scene embeddings", "(4, 1)"),
        ("one sample", "short sounds", "a sound of 1 samples"),
    ],
)
def test_faults_are_found(fault: str, rule: str, words: str) -> None:
    found = check(fault=fault)
    assert rule in broken(found)
    assert words in found[rule].detail and "\n" not in found[rule].detail


@pytest.mark.parametrize(
    ("fault", "rule", "words"),
    [
        ("careless", "bad input", "takes NaN"),
        ("chatty", "quiet", "print nothing"),
        ("gradient", "scene embeddings", "no_grad"),
        ("late start", "timestamp embeddings", "first timestamp 30.0 ms"),
        ("early end", "timestamp embeddings", "last timestamp"),
        ("train mode", "eval mode", "changes nothing"),
        ("constant", "scale", "the same embedding"),
    ],
)
def test_advice_breaks_nothing(fault: str, rule: str, words: str) -> None:
    found = check(fault=fault)
    assert broken(found) <= {"short sounds"}, "a sound of one sample has no timestamp then"
    assert found[rule].advice and words in found[rule].detail


def test_rates_of_the_api() -> None:
    assert "sample rate" in broken(check(rate=8000))


def test_checks_come_one_by_one_and_say_a_thing_once() -> None:
    checks = validate("made_up_hear_module", device="cpu", options={"fault": "fails"})
    assert next(checks).name == "load" and next(checks).name == "model"
    details = [check.detail for check in checks if not check.ok]
    assert details.count("out of order") == 1
    assert "as scene embeddings" in details


def test_what_only_we_ask_for_is_not_required() -> None:
    for fault in ("one sample", "drift", "batch", "silence"):
        assert not any(each.required for each in check(fault=fault).values() if not each.ok), fault
    for fault in ("double", "after the end", "chance", "dropout", "seconds"):
        assert any(each.required for each in check(fault=fault).values() if not each.ok), fault


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dropout", "leaves the model in train mode"),
        ("chance", "the same sound twice differs"),
        ("seconds", "are they in seconds?"),
        ("negative", "expected within the sound"),
        ("standing still", "do not ascend"),
        ("half of the sound", "near the end"),
        ("huge", "values up to"),
        ("double", "float64"),
        ("fails", "out of order"),
    ],
)
def test_what_would_make_hours_worthless_is_refused_before(fault: str, words: str) -> None:
    spec = ModelSpec("made_up_hear_module", "", {"fault": fault})
    with pytest.raises(UserError, match="made_up_hear_module") as refused:
        check_before_run(load_model(spec), "event")
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_only_advice_before_a_run() -> None:
    def advice(fault: str) -> list[str]:
        spec = ModelSpec("made_up_hear_module", "", {"fault": fault})
        return check_before_run(load_model(spec), "event")

    assert advice("") == []
    (line,) = advice("batch")
    assert "depend on the sounds beside it" in line
    (line,) = advice("late start")
    assert "first timestamp 30.0 ms" in line


def test_what_does_not_load_is_one_broken_check(module: ModuleType) -> None:
    for name, options, words in (
        ("no_such_module_at_all", {}, "no_such_module_at_all"),
        ("made_up_hear_module", {"wrong": 1}, "wrong"),
    ):
        (found,) = validate(name, options=options)
        assert not found.ok and words in found.detail
    del module.get_scene_embeddings
    (found,) = validate(module.__name__)
    assert not found.ok and "get_scene_embeddings" in found.detail
