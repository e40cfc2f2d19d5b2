"""Notes of a MIDI file as they sound under the sustain pedal.

The rules are those of note_seq's ``apply_sustain_control_changes``, which hear-preprocess used: a
note struck or held while the pedal is down lasts until the pedal goes up or its key is struck
again; what still sounds at the end lasts until the last event.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..folder import TaskError

SUSTAIN_PEDAL = 64
PEDAL_DOWN_FROM = 64
# At one time the pedal comes first, and a note begins before another ends.
PEDAL_DOWN, PEDAL_UP, NOTE_ON, NOTE_OFF = range(4)


class Note(NamedTuple):
    """A note from `start` to `end` (s); `pitch` is its MIDI number."""

    start: float
    end: float
    pitch: int


def sustained_notes(path: Path) -> list[Note]:
    """All notes of a MIDI file, in no order.

    Raises
    ------
    TaskError
        The file cannot be read, or pretty_midi is not installed.
    """
    try:
        import pretty_midi
    except ImportError:
        raise TaskError(
            f"{path}: MIDI is read with pretty_midi; pip install 'hear-plugins[midi]'"
        ) from None
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except FileNotFoundError:
        raise TaskError(f"{path}: no such MIDI file") from None
    except Exception as error:  # pretty_midi and mido have no error class of their own
        raise TaskError(f"{path}: not a readable MIDI file ({error})") from None
    unpedalled = []
    events: list[tuple[float, int, int, list[float]]] = []
    for part, instrument in enumerate(midi.instruments):
        for note in instrument.notes:
            if instrument.is_drum:
                unpedalled.append(Note(float(note.start), float(note.end), note.pitch))
                continue
            sounding = [float(note.start), float(note.end), note.pitch]
            events.append((sounding[0], NOTE_ON, part, sounding))
            events.append((sounding[1], NOTE_OFF, part, sounding))
        for change in instrument.control_changes:
            if change.number == SUSTAIN_PEDAL:
                kind = PEDAL_DOWN if change.value >= PEDAL_DOWN_FROM else PEDAL_UP
                events.append((float(change.time), kind, part, []))
    events.sort(key=lambda event: event[:2])
    return unpedalled + _sustain(events)


def _sustain(events: list[tuple[float, int, int, list[float]]]) -> list[Note]:
    sounding: dict[int, list[list[float]]] = {part: [] for _, _, part, _ in events}
    is_down = dict.fromkeys(sounding, False)
    ended: list[list[float]] = []
    for time, kind, part, note in events:
        if kind == PEDAL_DOWN:
            is_down[part] = True
        elif kind == PEDAL_UP:
            is_down[part] = False
            held = [other for other in sounding[part] if other[1] >= time]
            released = [other for other in sounding[part] if other[1] < time]
            _end(released, time, ended)
            sounding[part] = held
        elif kind == NOTE_ON:
            if is_down[part]:
                again = [other for other in sounding[part] if other[2] == note[2]]
                sounding[part] = [other for other in sounding[part] if other[2] != note[2]]
                # Of two notes of one key at one time, one is kept.
                _end([other for other in again if other[0] != time], time, ended)
            sounding[part].append(note)
        elif not is_down[part]:
            for i, other in enumerate(sounding[part]):
                if other is note:
                    ended.append(sounding[part].pop(i))
                    break
    for notes in sounding.values():
        _end(notes, events[-1][0], ended)
    return [Note(start, end, int(pitch)) for start, end, pitch in ended]


def _end(notes: list[list[float]], time: float, ended: list[list[float]]) -> None:
    for note in notes:
        note[1] = time
        ended.append(note)
