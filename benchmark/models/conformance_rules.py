"""The rules that a HEAR module is checked against: those of hear-validator 2021.0.6, and our own.

Each rule takes the module under test, returns what it saw on one line, and raises `UserError` where
it is broken or `Advice` where something else would be better.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UserError, one_line
from benchmark.models.calling import check_output
from benchmark.models.hear_module import LoadedModel
from benchmark.records.environment import peak_memory

SAMPLE_RATES = (16000, 22050, 32000, 44100, 48000)
MAX_STEP_MS = 50.0
MAX_MB_A_MINUTE = 800.0
LARGEST = 1e15  # of a value; squares of larger ones, as in a variance, overflow float32
SAME = 1e-4
"""Relative difference (of L2 norms) up to which two embeddings of the same sound count as equal."""


class Advice(Exception):
    """Allowed, but something else would be better."""


class Subject:
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
        self.loaded.settle()
        self._check("scene", audio, (out, None))
        return out

    def timestamps(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        out = self.loaded.module.get_timestamp_embeddings(audio.clone(), self.loaded.model)
        self.loaded.settle()
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


def _is_torch(subject: Subject) -> str:
    model = subject.loaded.model
    if not isinstance(model, torch.nn.Module):
        raise UserError(f"the model is a {type(model).__name__}: check it with hear-validator")
    return "the model is a torch.nn.Module"


def _sample_rate(subject: Subject) -> str:
    if subject.rate not in SAMPLE_RATES:
        raise UserError(f"{subject.rate} Hz; expected one of {', '.join(map(str, SAMPLE_RATES))}")
    return f"{subject.rate} Hz"


def _scene(subject: Subject) -> str:
    embeddings = subject.scene(subject.noise(4, 2.74))
    return _no_gradient(embeddings, f"4 sounds of 2.74 s give {tuple(embeddings.shape)}")


def _timestamps(subject: Subject) -> str:
    step, advice = 0.0, ""
    for seconds in (1.07, 1.98, 4.0):
        audio = subject.noise(2, seconds)
        embeddings, times = subject.timestamps(audio)
        step, found = check_times(times, 1000 * audio.shape[1] / subject.rate)
        advice = advice or found
    if step > MAX_STEP_MS:
        advice = advice or f"every {step:g} ms; better at most {MAX_STEP_MS:g} ms, for music"
    if advice:
        raise Advice(advice)
    return _no_gradient(embeddings, f"{embeddings.shape[-1]} values every {step:g} ms")


def check_times(times: Tensor, end_ms: float) -> tuple[float, str]:
    """The step (ms) of timestamps, float64 (n_sounds, n_frames), of sounds of `end_ms`; and advice.

    Raises
    ------
    UserError
        They are not in ms, do not ascend in equal steps, or lie outside the sound.
    """
    if times.shape[1] < 2:
        return 0.0, f"{times.shape[1]} timestamp in {end_ms:.0f} ms; better one every 50 ms"
    steps = times.diff()
    step = steps.mean().item()
    first, last = times.min().item(), times.max().item()
    if not steps.min() > 0:
        raise UserError("timestamps that do not ascend; expected ms in order")
    if first >= 0 and 0 < last <= end_ms / 200:
        raise UserError(
            f"last timestamp {last:.3g} in {end_ms:.0f} ms: are they in seconds? expected ms"
        )
    if (steps - step).abs().max() > 1:
        raise UserError(
            f"steps from {steps.min():.1f} to {steps.max():.1f} ms; expected equal steps to 1 ms"
        )
    if first < -step:
        raise UserError(f"first timestamp {first:.1f} ms; expected within the sound")
    if last > end_ms:
        raise UserError(f"last timestamp {last:.1f} ms; expected before the end ({end_ms:.1f} ms)")
    if last < end_ms / 2:
        raise UserError(f"last timestamp {last:.1f} ms; expected near the end ({end_ms:.1f} ms)")
    if first > step:
        return step, f"first timestamp {first:.1f} ms; better within a step ({step:g} ms) of 0"
    if last < end_ms - step:
        return step, (
            f"last timestamp {last:.1f} ms; better within a step ({step:g} ms) of the end"
            f" ({end_ms:.1f} ms)"
        )
    return step, ""


def _no_gradient(embeddings: Tensor, seen: str) -> str:
    if embeddings.requires_grad:
        raise Advice(f"{seen}; better without a gradient, under torch.no_grad()")
    return seen


def _batch(subject: Subject) -> str:
    levels = torch.tensor([[1.0], [0.001], [0.3]], device=subject.loaded.device)
    audio = levels * subject.noise(3, 1.5)
    scene, (events, _) = subject.scene(audio), subject.timestamps(audio)
    worst = 0.0
    for i in range(len(audio)):
        worst = max(worst, difference(subject.scene(audio[i : i + 1])[0], scene[i]))
        worst = max(worst, difference(subject.timestamps(audio[i : i + 1])[0][0], events[i]))
    if worst > SAME:
        raise UserError(
            f"a sound alone and in a batch differ by {worst:.1e}; expected at most {SAME:g}"
        )
    return f"a sound alone and in a batch differ by {worst:.1e}"


def difference(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        raise UserError(f"a sound alone gives {tuple(a.shape)}, in a batch {tuple(b.shape)}")
    return ((a - b).norm() / b.norm().clamp(min=1e-12)).item()


def _levels(subject: Subject) -> str:
    sounds = subject.noise(5, 1.0)
    sounds[0] = 0
    sounds[1] = 0.5
    sounds[2] = sounds[2].sign()
    sounds[3] *= 1e-6
    sounds[4] = 1
    subject.scene(sounds)
    subject.timestamps(sounds)
    return "silence, constants, clipping and whispers give finite embeddings"


def _lengths(subject: Subject) -> str:
    for samples in (1, subject.rate // 100, subject.rate // 10 + 1):
        sound = subject.noise(1, 1)[:, :samples]
        try:
            subject.scene(sound)
            subject.timestamps(sound)
        except Exception as error:
            raise UserError(f"a sound of {samples} samples: {one_line(error)}") from error
    return "sounds of 1 sample, 10 ms and 100 ms have embeddings"


def _drift(subject: Subject) -> str:
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


def _cost(subject: Subject) -> str:
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
        raise Advice(f"{seen}; better work in chunks, or 20 minutes will not fit in 16 GB")
    return seen


def _peak_mb(subject: Subject) -> float:
    """The most memory used so far: of the GPU, or of this process (0 where that is not told)."""
    if subject.loaded.device.type == "cuda":
        return torch.cuda.max_memory_allocated(subject.loaded.device) / 1e6
    return peak_memory() / 1e6


def _repeatable(subject: Subject) -> str:
    audio = subject.noise(1, 1.0)
    return check_repeatable(subject.scene(audio), subject.scene(audio))


def check_repeatable(first: Tensor, second: Tensor) -> str:
    """See that embeddings of the same sounds are the same."""
    if (seen := difference(first, second)) > SAME:
        raise UserError(f"the same sound twice differs by {seen:.1e}; expected at most {SAME:g}")
    return f"the same sound twice differs by {seen:.1e}"


def _eval_mode(subject: Subject) -> str:
    audio = subject.noise(2, 1.0)
    return check_eval_mode(subject.loaded, lambda: subject.scene(audio))


def check_eval_mode(loaded: LoadedModel, embed: Callable[[], Tensor]) -> str:
    """See that the model is in eval mode, or computes as if it were; it is afterwards.

    Raises
    ------
    UserError
        `embed` gives something else once the model is in eval mode.
    """
    left = [name or "the model" for name, each in loaded.model.named_modules() if each.training]
    if not left:
        return "the model is in eval mode"
    before = embed()
    loaded.model.eval()
    if (seen := difference(before, embed())) > 0:
        raise UserError(
            f"load_model leaves the model in train mode ({left[0]}, {len(left)} modules in all):"
            f" embeddings differ by {seen:.1e} from those in eval mode; call model.eval() there"
        )
    raise Advice(f"{left[0]} is in train mode, which changes nothing; better call model.eval()")


def _scale(subject: Subject) -> str:
    return check_scale(subject.scene(subject.noise(3, 1.0)))


def check_scale(embeddings: Tensor) -> str:
    """See that a classifier can compute with the values, and tell the sounds apart.

    Parameters
    ----------
    embeddings
        (n_sounds, ...), of different sounds, finite.
    """
    largest = embeddings.abs().max().item()
    if largest > LARGEST:
        raise UserError(f"values up to {largest:.1e}; expected at most {LARGEST:g}")
    if torch.equal(embeddings[0], embeddings[1]):
        raise Advice("two different sounds have the same embedding")
    return f"values up to {largest:.3g}"


def _process_state(subject: Subject) -> str:
    if subject.loaded.state_changes:
        changes = ", ".join(subject.loaded.state_changes)
        raise UserError(f"it changes {changes}; set back, for that is not a model's own")
    return "torch's switches are left as they are"


def _bad_input(subject: Subject) -> str:
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
        raise Advice(f"takes {', '.join(taken)} without a word; better raise ValueError")
    return "NaN, infinity, a missing dimension and integers are refused"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes
    ----------
    check
        See the module.
    required
        It is HEAR's, or `run` refuses modules that break it. The others are good custom.
    """

    check: Callable[[Subject], str]
    required: bool = False


RULES: dict[str, Rule] = {
    "model": Rule(_is_torch, required=True),
    "sample rate": Rule(_sample_rate, required=True),
    "scene embeddings": Rule(_scene, required=True),
    "timestamp embeddings": Rule(_timestamps, required=True),
    "eval mode": Rule(_eval_mode, required=True),
    "repeatable": Rule(_repeatable, required=True),
    "scale": Rule(_scale, required=True),
    "batch": Rule(_batch),
    "levels": Rule(_levels),
    "short sounds": Rule(_lengths),
    "drift": Rule(_drift),
    "process state": Rule(_process_state),
    "bad input": Rule(_bad_input),
    "cost": Rule(_cost),
}
