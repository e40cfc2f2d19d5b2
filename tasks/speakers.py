"""Where the loudspeakers of a file's channels stand, which says how loud each is in the mono mix.

Names and weights are FFmpeg's (ffmpeg-resampler: ``center_mix_level`` and ``surround_mix_level``
-3 dB, ``lfe_mix_level`` 0).
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

WEIGHTS = {
    **dict.fromkeys(("FL", "FR", "FLC", "FRC"), math.sqrt(0.5)),
    "FC": 1.0,
    **dict.fromkeys(("BL", "BR", "BC", "SL", "SR"), 0.5),
    "LFE": 0.0,
}
_BY_COUNT = {  # FFmpeg's default layouts, of WAV files that name no places
    3: "FL FR LFE",
    4: "FL FR FC BC",
    5: "FL FR FC BL BR",
    6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR",
    8: "FL FR FC LFE BL BR SL SR",
}
_OF_FLAC = {**_BY_COUNT, 3: "FL FR FC", 4: "FL FR BL BR"}  # RFC 9639, 9.1.3
_OF_VORBIS = {  # Vorbis I specification, 4.3.9
    3: "FL FC FR",
    4: "FL FR BL BR",
    5: "FL FC FR BL BR",
    6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE",
    8: "FL FC FR SL SR BL BR LFE",
}
_EXTENSIBLE = 0xFFFE  # the format of WAV files that may have a mask of places; its bits:
_OF_MASK = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR")
_MOST_CHUNKS = 1000  # before the one that tells the format


def speakers_of(path: Path, form: str, channels: int) -> tuple[str, ...]:
    """The places of a file's channels, by libsndfile's name for its format; empty: all alike."""
    if channels <= 2:
        return ()
    if form.startswith("WAV") and (mask := _wav_mask(path)):
        named = [name for bit, name in enumerate(_OF_MASK) if mask >> bit & 1]
        return tuple(named) if len(named) == channels else ()
    layouts = {"FLAC": _OF_FLAC, "OGG": _OF_VORBIS}.get(form, _BY_COUNT)
    return tuple(layouts.get(channels, "").split())


def _wav_mask(path: Path) -> int:
    """The channel mask of a WAV file; 0 where it has none."""
    with path.open("rb") as file:
        order = "<" if file.read(4) != b"RIFX" else ">"
        file.seek(12)
        for _ in range(_MOST_CHUNKS):
            if len(head := file.read(8)) < 8:
                break
            name, size = struct.unpack(f"{order}4sI", head)
            if name == b"fmt ":
                form, mask = struct.unpack(f"{order}H18xI", file.read(24).ljust(24, b"\0"))
                return int(mask) if form == _EXTENSIBLE else 0
            file.seek(size + size % 2, 1)
    return 0
