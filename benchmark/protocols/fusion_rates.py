"""Learning rates that Niizumi et al. set by hand, by our models and tasks.

No search is published: the rates stand in CommandLines.md of nttcslab/eval-audio-repr at 88ba7728,
3e-4 wherever nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DEFAULT_RATE = 3e-4
SINGLE = "single layer"
# The authors' name of a model: our module, the options that make it theirs, and the layers of it;
# the first that fits counts.
MODELS: Sequence[tuple[str, str, Mapping[str, Any], str]] = (
    ("VGGish", "hear_plugins.vggish", {"postprocess": False}, ""),
    ("VGGish layers", "hear_plugins.vggish", {}, SINGLE),
    ("VGGish-Fusion", "hear_plugins.vggish", {}, "4+6"),
    ("VGGish", "hear_plugins.vggish_fusion", {"layers": [22]}, ""),
    ("VGGish-Fusion", "hear_plugins.vggish_fusion", {}, ""),
    ("CNN14", "hear_plugins.cnn14", {}, ""),
    ("CNN14 layers", "hear_plugins.cnn14", {}, SINGLE),
    ("CNN14-Fusion", "hear_plugins.cnn14", {}, "3+6"),
    ("CNN14-Fusion", "hear_plugins.cnn14_fusion", {}, ""),
    ("AST", "hear_plugins.ast", {}, ""),
    ("AST layers", "hear_plugins.ast", {}, SINGLE),
    ("AST-Fusion", "hear_plugins.ast", {}, "5+12"),
    ("AST-Fusion", "hear_plugins.ast_fusion", {}, ""),
    ("BYOL-A", "hear_plugins.byol_a", {}, ""),
)
# By their name of the model and our name of the task.
RATES = {
    ("VGGish", "esc50"): 3e-3,
    ("VGGish", "voxceleb1"): 5e-4,
    ("VGGish layers", "voxceleb1"): 5e-4,
    ("VGGish-Fusion", "surge"): 1e-4,
    ("VGGish-Fusion", "voxceleb1"): 5e-4,
    ("CNN14", "nsynth_instrument"): 1e-5,
    ("CNN14 layers", "nsynth_instrument"): 1e-5,
    ("CNN14 layers", "surge"): 3e-5,
    ("CNN14-Fusion", "nsynth_instrument"): 1e-5,
    ("CNN14-Fusion", "surge"): 3e-5,
    ("AST", "surge"): 1e-4,
    ("AST layers", "surge"): 1e-4,
    ("AST-Fusion", "surge"): 1e-4,
    ("BYOL-A", "surge"): 1e-4,
    ("BYOL-A", "gtzan"): 1e-3,
}


class ChosenRate(NamedTuple):
    """A learning rate, and why it is this one."""

    value: float
    reason: str


def published_rate(
    module: str, options: Mapping[str, Any], task: str, layers: str = ""
) -> ChosenRate:
    """The authors' rate.

    Parameters
    ----------
    module, options
        Import path of a model and the options that it was loaded with.
    task
        Name of the task.
    layers
        Evaluated ones (`benchmark.embeddings.layers`); none for the scene embedding.
    """
    layers = SINGLE if layers.isdigit() else layers
    for name, its_module, needed, its_layers in MODELS:
        if (module, layers) == (its_module, its_layers) and needed.items() <= options.items():
            if rate := RATES.get((name, task)):
                return ChosenRate(rate, f"published for {name} on {task}")
            break
    return ChosenRate(DEFAULT_RATE, "published default")
