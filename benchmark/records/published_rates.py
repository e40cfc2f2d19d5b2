"""Learning rates that the fusion paper's authors set by hand, by their names of model and task.

Niizumi et al. (EUSIPCO 2022, arXiv:2205.08138): command lines of nttcslab/eval-audio-repr at
88ba7728 (CommandLines.md; facts only). Whatever is not here has 3e-4.
"""

from __future__ import annotations

PUBLISHED_RATES = {
    ("VGGish", "esc50"): 3e-3,
    ("VGGish", "vc1"): 5e-4,
    ("VGGish-Fusion", "surge"): 1e-4,
    ("VGGish-Fusion", "vc1"): 5e-4,
    ("VGGish layers", "vc1"): 5e-4,
    ("CNN14", "nsynth"): 1e-5,
    ("CNN14-Fusion", "nsynth"): 1e-5,
    ("CNN14-Fusion", "surge"): 3e-5,
    ("CNN14 layers", "nsynth"): 1e-5,
    ("CNN14 layers", "surge"): 3e-5,
    ("AST", "surge"): 1e-4,
    ("AST-Fusion", "surge"): 1e-4,
    ("AST layers", "surge"): 1e-4,
    ("BYOL-A", "surge"): 1e-4,
    ("BYOL-A", "gtzan"): 1e-3,
}
