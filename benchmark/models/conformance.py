"""Check a module against the HEAR API, in full (`validate`) or in a moment (`check_before_run`).

TensorFlow is not needed; its models are left to hear-validator.
"""

from __future__ import annotations

import contextlib
import io
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import UserError, one_line
from benchmark.models.calling import call, check_output
from benchmark.models.conformance_rules import (
    RULES,
    SAME,
    Advice,
    Rule,
    Subject,
    check_eval_mode,
    check_repeatable,
    check_scale,
    check_times,
    difference,
)
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model

CHECK_SECONDS = 4.0


@dataclass(frozen=True)
class Check:
    """What one rule found.

    Attributes
    ----------
    name, detail : the rule, and on one line what was seen or what is wrong.
    ok : False if the module breaks the rule.
    required : the rule is HEAR's, or `run` refuses who breaks it; the others are good custom.
    advice : the rule is kept, and `detail` says what would be better still.
    trace : of an exception that was not expected.
    """

    name: str
    ok: bool
    detail: str
    required: bool = True
    advice: bool = False
    trace: str = ""


def validate(
    module_name: str,
    model_file_path: str = "",
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Check]:
    """Check a module; it embeds about two minutes of noise.

    Parameters
    ----------
    module_name : import path of a module with the HEAR API.
    model_file_path : for its `load_model`.
    device : "cpu" or "cuda"; None: cuda if there is one.
    options : keyword arguments for its `load_model`.

    Yields
    ------
    Check, as they come; the first alone if the module does not load. What several rules break in
    the same way is told in full once.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    printed = io.StringIO()
    remarks: list[str] = []
    with torch.random.fork_rng(), _quiet(printed):
        try:
            spec = ModelSpec(module_name, model_file_path, options or {})
            subject = Subject(load_model(spec, device, remarks.append))
        except UserError as error:
            yield Check("load", False, str(error), trace=_trace())
            return
    yield Check("load", True, f"{module_name} on {device}")
    for remark in remarks:
        yield Check("load", True, remark, advice=True)
    told: dict[str, str] = {}
    for name, rule in RULES.items():
        with torch.random.fork_rng(), _quiet(printed):
            torch.manual_seed(0)
            check = _run(name, rule, subject)
        if not check.ok and check.detail in told:
            check = Check(name, False, f"as {told[check.detail]}", rule.required)
        told.setdefault(check.detail, name)
        yield check
    if printed.getvalue():
        yield Check("quiet", True, "better print nothing on the screen", False, advice=True)


def check_before_run(model: LoadedModel, embedding_type: str) -> list[str]:
    """Check in a moment, on noise, what would make hours of embedding worthless.

    Parameters
    ----------
    embedding_type
        "scene" or "event".

    Returns
    -------
    list of str
        Advice.

    Raises
    ------
    UserError
        The model fails, gives something else than embeddings, is in train mode, is not repeatable,
        or its timestamps are not ms within the sound.
    """
    count = int(CHECK_SECONDS * model.sample_rate)
    noise = np.random.default_rng(0).random((2, count), np.float32) - np.float32(0.5)
    noise[1] *= np.float32(0.05)
    advice = []

    def embed(sounds: int = 2) -> tuple[Tensor, Tensor | None]:
        try:
            output = call(model, embedding_type, noise[:sounds].copy())
            embeddings, times = check_output(model, embedding_type, sounds, output)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{model.name} fails on {CHECK_SECONDS:g} seconds of noise: {one_line(error)}"
            ) from error
        return torch.from_numpy(embeddings), None if times is None else torch.from_numpy(times)

    def consider(check: Callable[[], object]) -> None:
        try:
            check()
        except Advice as better:
            advice.append(f"{model.name}: {better}")
        except UserError as error:
            raise UserError(f"{model.name}: {error}") from None

    embeddings, times = embed()
    if isinstance(model.model, torch.nn.Module):
        consider(lambda: check_eval_mode(model, lambda: embed()[0]))
    consider(lambda: check_repeatable(embeddings, embed()[0]))
    consider(lambda: check_scale(embeddings))
    if times is not None and (found := _times_advice(model, times)):
        advice.append(f"{model.name}: {found}")
    alone = embed(1)[0][0]
    if alone.shape != embeddings[0].shape or difference(alone, embeddings[0]) > SAME:
        advice.append(
            f"{model.name}: embeddings of a sound depend on the sounds beside it in the batch"
        )
    return advice


def _times_advice(model: LoadedModel, times: Tensor) -> str:
    try:
        return check_times(times, 1000 * CHECK_SECONDS)[1]
    except UserError as error:
        raise UserError(f"{model.name}.get_timestamp_embeddings: {error}") from None


def _run(name: str, rule: Rule, subject: Subject) -> Check:
    try:
        return Check(name, True, rule.check(subject), rule.required)
    except Advice as advice:
        return Check(name, True, str(advice), rule.required, advice=True)
    except (Exception, SystemExit) as error:
        return Check(name, False, one_line(error), rule.required, trace=_trace())


def _trace() -> str:
    return traceback.format_exc().rstrip()


@contextlib.contextmanager
def _quiet(printed: io.StringIO) -> Iterator[None]:
    with contextlib.redirect_stdout(printed):
        yield
