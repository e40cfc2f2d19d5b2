"""Data of your own: embed a folder of sounds, and see what a linear layer can tell from it."""

from pathlib import Path

import numpy as np
import soundfile

import benchmark as hb

RATE = 22050  # Hz
PITCHES = {"thrush": 3000, "warbler": 4500, "wren": 6000}  # Hz


def make_recordings(folder):
    """Chirps in noise, called <bird>_<site>_<take>.wav; put your own recordings in their place."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    seconds = np.arange(RATE) / RATE
    for bird, pitch in PITCHES.items():
        for site in range(5):
            for take in range(3):
                chirp = np.sin(2 * np.pi * pitch * random.uniform(0.8, 1.2) * seconds)
                noise = (0.2 + 0.1 * site) * random.standard_normal(RATE)
                soundfile.write(folder / f"{bird}_{site}_{take}.wav", 0.2 * (chirp + noise), RATE)


if __name__ == "__main__":
    folder = Path("runs/own_data")
    make_recordings(folder)
    found = hb.embed_files(folder, "hear_plugins.logmel")
    birds = [file.stem.split("_")[0] for file in found.files]
    sites = [file.stem.split("_")[1] for file in found.files]

    # All recordings of a site are in one fold, so no site is both trained on and tested.
    evaluation = hb.evaluate(found.embeddings, birds, groups=sites, protocol="linear")
    print(evaluation)

    first = evaluation.predictions[0]
    for example, probabilities in zip(first.examples, first.probabilities, strict=True):
        heard = evaluation.labels[probabilities.argmax()]
        print(f"{found.files[example].name}: {heard} ({probabilities.max():.2f})")
