"""Check any module against the HEAR API: the rules of hear-validator 2021.0.6, and stricter ones.

Stricter are: embeddings that depend on the sounds beside them, silence and other levels, sounds of
one sample, times that drift or miss the end, wrong input taken silently. TensorFlow is not needed;
its models are left to hear-validator.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import UserError, one_line
from benchmark.models.calling import call, check_output
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from benchmark.records.environment import peak_memory

SAMPLE_RATES = (16000, 22050, 32000, 44100, 48000)
MAX_STEP_MS = 50.0
MAX_MB_A_MINUTE = 800.0
SAME = 1e-4
"""Relative difference (of L2 norms) up to which two embeddings of the same sound count as equal."""


@dataclass(frozen=True)
class Check:
    """What one rule found.

    Attributes
    ----------
    name, detail : the rule, and on one line what was seen or what is wrong.
    ok : False if the module breaks the rule.
    advice : the rule is not HEAR's but good custom, and `detail` says what would be better.
    """

    name: str
    ok: bool
    detail: str
    advice: bool = False


class _Advice(Exception):
    """Allowed, but something else would be better."""


def probe(model: LoadedModel, embedding_type: str) -> None:
    """Embed two clips of noise: what is wrong with a model should show before hours are spent.

    Raises
    ------
    UserError
        The model fails, or its output is not what `check_output` asks for.
    """
    noise = np.random.default_rng(0).random((2, model.sample_rate), np.float32) - np.float32(0.5)
    try:
        check_output(model, embedding_type, 2, call(model, embedding_type, noise))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model.name} fails on a second of noise: {one_line(error)}") from error


def validate(
    module_name: str,
    model_file_path: str = "",
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Check]:
    """Check a module; it embeds about two minutes of noise.

    Parameters
    ----------
    module_name : import path of a module with the HEAR API.
    model_file_path : for its `load_model`.
    device : "cpu" or "cuda"; None: cuda if there is one.
    options : keyword arguments for its `load_model`.

    Returns
    -------
    list of Check, in order; the first alone if the module does not load.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), torch.random.fork_rng():
        torch.manual_seed(0)
        try:
            spec = ModelSpec(module_name, model_file_path, options or {})
            subject = _Subject(load_model(spec, device))
        except UserError as error:
            return [Check("load", False, str(error))]
        found = [Check("load", True, f"{module_name} on {device}")]
        found += [_run(name, rule, subject) for name, rule in _RULES.items()]
    if printed.getvalue():
        found.append(Check("quiet", True, "better print nothing on the screen", advice=True))
    return found


def _run(name: str, rule: Callable[[_Subject], str], subject: _Subject) -> Check:
    try:
        return Check(name, True, rule(subject))
    except _Advice as advice:
        return Check(name, True, str(advice), advice=True)
    except Exception as error:
        return Check(name, False, one_line(error))


class _Subject:
    """The module under test; every output is checked for form before a rule sees it."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.rate = loaded.sample_rate

    def noise(self, sounds: int, seconds: float) -> Tensor:
        return (
            torch.rand(sounds, max(1, int(seconds * self.rate)), device=self.loaded.device) * 2 - 1
        )

    def scene(self, audio: Tensor) -> Tensor:
        out = self.loaded.module.get_scene_embeddings(audio.clone(), self.loaded.model)
        self._check("scene", audio, (out, None))
        return out

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = self.loaded.module.get_timestamp_embeddings(audio.clone(), self.loaded.model)
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise UserError(f"gives a {type(out).__name__}, expected (embeddings, timestamps)")
        self._check("event", audio, (out[0], out[1]))
        return out[0], out[1].detach().double()

    def _check(self, kind: str, audio: Tensor, output: tuple[Any, Any]) -> None:
        for tensor in output:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise UserError(f"gives a {type(tensor).__name__}, expected a torch.Tensor")
        if output[0].device != audio.device:
            raise UserError(f"embeddings are on {output[0].device}, the audio on {audio.device}")
        arrays = [None if x is None else x.detach().cpu().numpy() for x in output]
        check_output(self.loaded, kind, len(audio), (arrays[0], arrays[1]))


def _is_torch(subject: _Subject) -> str:
    model = subject.loaded.model
    if not isinstance(model, torch.nn.Module):
        raise UserError(f"the model is a {type(model).__name__}: check it with hear-validator")
    return "the model is a torch.nn.Module"


def _sample_rate(subject: _Subject) -> str:
    if subject.rate not in SAMPLE_RATES:
        raise UserError(f"{subject.rate} Hz; expected one of {', '.join(map(str, SAMPLE_RATES))}")
    return f"{subject.rate} Hz"


def _scene(subject: _Subject) -> str:
    embeddings = subject.scene(subject.noise(4, 2.74))
    return _no_gradient(embeddings, f"4 sounds of 2.74 s give {tuple(embeddings.shape)}")


def _timestamps(subject: _Subject) -> str:
    step = 0.0
    for seconds in (1.07, 1.98, 4.0):
        audio = subject.noise(2, seconds)
        embeddings, times = subject.timestamps(audio)
        step = _check_times(times, 1000 * audio.shape[1] / subject.rate)
    if step > MAX_STEP_MS:
        raise _Advice(f"every {step:g} ms; better at most {MAX_STEP_MS:g} ms, for music")
    return _no_gradient(embeddings, f"{embeddings.shape[-1]} values every {step:g} ms")


def _check_times(times: Tensor, end_ms: float) -> float:
    """The step (ms) of timestamps that are regular and reach from 0 to the end."""
    if times.shape[1] < 2:
        raise UserError(f"{times.shape[1]} timestamp in {end_ms:.0f} ms; expected one every 50 ms")
    steps = times.diff()
    step = steps.mean().item()
    if (steps - step).abs().max() > 1:
        raise UserError(
            f"steps from {steps.min():.1f} to {steps.max():.1f} ms; expected equal steps to 1 ms"
        )
    first, last = times.min().item(), times.max().item()
    if first > step:
        raise UserError(
            f"first timestamp {first:.1f} ms; expected within a step ({step:g} ms) of 0"
        )
    if not end_ms - step <= last <= end_ms:
        raise UserError(
            f"last timestamp {last:.1f} ms; expected within a step ({step:g} ms)"
            f" of the end ({end_ms:.1f} ms), and not after it"
        )
    return step


def _no_gradient(embeddings: Tensor, seen: str) -> str:
    if embeddings.requires_grad:
        raise _Advice(f"{seen}; better without a gradient, under torch.no_grad()")
    return seen


def _batch(subject: _Subject) -> str:
    levels = torch.tensor([[1.0], [0.001], [0.3]], device=subject.loaded.device)
    audio = levels * subject.noise(3, 1.5)
    scene, (events, _) = subject.scene(audio), subject.timestamps(audio)
    worst = 0.0
    for i in range(len(audio)):
        worst = max(worst, _difference(subject.scene(audio[i : i + 1])[0], scene[i]))
        worst = max(worst, _difference(subject.timestamps(audio[i : i + 1])[0][0], events[i]))
    if worst > SAME:
        raise UserError(
            f"a sound alone and in a batch differ by {worst:.1e}; expected at most {SAME:g}"
        )
    return f"a sound alone and in a batch differ by {worst:.1e}"


def _difference(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        raise UserError(f"a sound alone gives {tuple(a.shape)}, in a batch {tuple(b.shape)}")
    return ((a - b).norm() / b.norm().clamp(min=1e-12)).item()


def _levels(subject: _Subject) -> str:
    sounds = subject.noise(5, 1.0)
    sounds[0] = 0
    sounds[1] = 0.5
    sounds[2] = sounds[2].sign()
    sounds[3] *= 1e-6
    sounds[4] = 1
    subject.scene(sounds)
    subject.timestamps(sounds)
    return "silence, constants, clipping and whispers give finite embeddings"


def _lengths(subject: _Subject) -> str:
    for samples in (1, subject.rate // 100, subject.rate // 10 + 1):
        sound = subject.noise(1, 1)[:, :samples]
        try:
            subject.scene(sound)
            subject.timestamps(sound)
        except Exception as error:
            raise UserError(f"a sound of {samples} samples: {one_line(error)}") from error
    return "sounds of 1 sample, 10 ms and 100 ms have embeddings"


def _drift(subject: _Subject) -> str:
    """A hop rounded to samples, but not in the timestamps, shows in how long a sound must be for
    one more frame: found exactly on a short sound, then asked for on a long one."""
    audio = subject.noise(1, 10.0)

    def count(samples: int) -> int:
        return subject.timestamps(audio[:, :samples])[1].shape[1]

    _, times = subject.timestamps(audio)
    frames = times.shape[1]
    hop = (times[0, -1] - times[0, 0]).item() / (frames - 1) * subject.rate / 1000
    enough = math.ceil(0.3 * subject.rate + 2 * hop)
    few = count(enough)
    too_short = enough - 1 - math.ceil(hop)
    if count(too_short) >= few:
        raise UserError(f"no new timestamp in {hop:.0f} samples, a step")
    while enough - too_short > 1:
        middle = (enough + too_short) // 2
        enough, too_short = (middle, too_short) if count(middle) >= few else (enough, middle)
    expected = enough + (frames - few) * hop
    # A step in an hour, and the two roundings to samples.
    slack = 2 + (frames - few) * hop * hop / (3600 * subject.rate)
    per_hour = 3.6e6 * slack / ((frames - few) * hop)
    late = math.ceil(expected + slack)
    too_many = count(math.floor(expected - slack) - 1) >= frames
    too_few = late <= audio.shape[1] and count(late) < frames
    if too_many or too_few:
        raise UserError(
            f"timestamps say a frame every {hop:g} samples, the number of frames does not:"
            f" they drift by more than {per_hour:.0f} ms in an hour"
        )
    return f"less than {per_hour:.0f} ms in an hour"


def _cost(subject: _Subject) -> str:
    audio = subject.noise(1, 10.0)
    used = []
    for embed in (subject.scene, subject.timestamps):
        start = time.perf_counter()
        embed(audio)
        used.append((time.perf_counter() - start) / 10)
    before = _peak_mb(subject)
    subject.scene(subject.noise(1, 60.0))
    grown = _peak_mb(subject) - before
    seen = (
        f"a second of audio takes {used[0]:.3g} s for scenes, {used[1]:.3g} s for timestamps;"
        f" a scene of a minute, {grown:.0f} MB"
    )
    if grown > MAX_MB_A_MINUTE:
        raise _Advice(f"{seen}; better work in chunks, or 20 minutes will not fit in 16 GB")
    return seen


def _peak_mb(subject: _Subject) -> float:
    """The most memory used so far: of the GPU, or of this process (0 where that is not told)."""
    if subject.loaded.device.type == "cuda":
        return torch.cuda.max_memory_allocated(subject.loaded.device) / 1e6
    return peak_memory() / 1e6


def _repeatable(subject: _Subject) -> str:
    audio = subject.noise(1, 1.0)
    difference = _difference(subject.scene(audio), subject.scene(audio))
    if difference > SAME:
        raise UserError(
            f"the same sound twice differs by {difference:.1e}; expected at most {SAME:g}"
        )
    return f"the same sound twice differs by {difference:.1e}"


def _bad_input(subject: _Subject) -> str:
    good = subject.noise(2, 1.0)
    broken = good.clone()
    broken[1, 100] = math.nan
    taken = []
    for what, audio in (
        ("NaN", broken),
        ("infinity", broken.nan_to_num(nan=math.inf)),
        ("one dimension", good[0]),
        ("integers", (good * 32767).to(torch.int16)),
    ):
        with contextlib.suppress(Exception):
            subject.loaded.module.get_scene_embeddings(audio, subject.loaded.model)
            taken.append(what)
    if taken:
        raise _Advice(f"takes {', '.join(taken)} without a word; better raise ValueError")
    return "NaN, infinity, a missing dimension and integers are refused"


_RULES: dict[str, Callable[[_Subject], str]] = {
    "model": _is_torch,
    "sample rate": _sample_rate,
    "scene embeddings": _scene,
    "timestamp embeddings": _timestamps,
    "repeatable": _repeatable,
    "batch": _batch,
    "levels": _levels,
    "short sounds": _lengths,
    "drift": _drift,
    "bad input": _bad_input,
    "cost": _cost,
}
