"""From a raw corpus to a task folder.

Every clip is mixed to mono, rounded to 16 bit, cut or padded at its own rate and resampled from
there to each rate, as in hear-preprocess; ``prepared.json`` says by what. The folder is built
beside its place, under a hidden name, and moved when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

from .audio import audio_rate, write_at_rates
from .corpus import Clip, Corpus, arrange
from .entries import find_entry
from .folder import (
    GROUPS_FILE,
    PREPARED_FILE,
    TaskError,
    folder_name,
    read_task,
    vocabulary,
    write_prepared,
    write_task,
)
from .options import convert, corpus_module, option_values
from .parallel import in_parallel
from .published import check_published
from .reading import is_folder
from .resampling import SOXR, description
from .staging import NO_SPACE, move_into_place, staging

DEFAULT_RATE = 16000

Progress = Callable[[int, int], None]


def prepare(
    name: str,
    /,
    source: Path | str,
    tasks_dir: Path | str,
    *,
    rates: Sequence[int] | str = (),
    mode: str = "",
    workers: int | str = 0,
    allow_partial: bool | str = False,
    force: bool | str = False,
    on_progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Prepare a task from its corpus; again with the same arguments: nothing is done.

    Parameters
    ----------
    name
        An entry of `tasks.entries`, or ``custom``.
    source
        Folder of the corpus.
    tasks_dir
        Where the task folder goes.
    rates
        Sample rates (Hz); a sequence or ``"16000,44100"``. Default: 16000, and the highest rate of
        the corpus where that is higher.
    mode
        Of an entry that has several.
    workers
        Processes; default: as many as there are cores, at most 16.
    allow_partial
        Prepare a corpus that is not the one the entry describes, by its numbers of clips or its
        labels (`tasks.published`), under the mode ``<mode>-partial``.
    force
        Prepare the task again, in place of the folder that is there.
    on_progress
        Called with the clips done and the clips in all.
    options
        Keywords of the corpus's `read` (and `make`) in `tasks.corpora`. Values may be strings, as
        on a command line: numbers, lists with commas, JSON objects, true and false.

    Returns
    -------
    The task folder.

    Raises
    ------
    TaskError
        Anything wrong with a name, an option, the corpus or one of its files.
    """
    with _plainly(Path(tasks_dir)):
        corpus = read_corpus(name, source, mode=mode, **options)
    hz: Sequence[int] = convert(rates or (), Sequence[int], "rates")
    return build_task(
        corpus,
        tasks_dir,
        hz,
        convert(workers, int, "workers"),
        on_progress,
        allow_partial=convert(allow_partial, bool, "allow_partial"),
        force=convert(force, bool, "force"),
    )


@contextmanager
def _plainly(tasks_dir: Path) -> Iterator[None]:
    """What the disk or the file system refuses, as a TaskError."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise TaskError(
                f"{tasks_dir}: no space left on the disk ({error.strerror}); nothing was kept: free"
                " some space, or choose another --tasks-dir, and type the same line again"
            ) from None
        raise TaskError(f"{error.filename or tasks_dir}: {error.strerror or error}") from None


def read_corpus(name: str, /, source: Path | str, *, mode: str = "", **options: Any) -> Corpus:
    """The clips of a corpus, their labels and splits, without their sound; as for `prepare`."""
    source = Path(source)
    if not is_folder(source):
        raise TaskError(f"{source}: no such folder; expected the corpus of {name}")
    values = option_values(name, options)
    if name == "custom":
        if "name" not in values:
            raise TaskError("custom needs the option name, the name of the new task")
        corpus: Corpus = corpus_module("custom").make(source, **values)
        return corpus
    entry = find_entry(name)
    config, mode = entry.mode_config(mode)
    clips = corpus_module(entry.corpus).read(source, config, mode, **{**entry.options, **values})
    return Corpus(config, mode, clips, entry.every_label)


def build_task(
    corpus: Corpus,
    tasks_dir: Path | str,
    rates: Sequence[int] = (),
    workers: int = 0,
    on_progress: Progress | None = None,
    *,
    allow_partial: bool = False,
    force: bool = False,
) -> Path:
    """Make the task folder of a corpus; arguments as for `prepare`."""
    with _plainly(Path(tasks_dir)):
        metadata, items, clips = arrange(corpus)
        counts = {split: len(files) for split, files in items.items()}
        metadata = check_published(
            metadata, counts, set(map(str, vocabulary(items))), allow_partial
        )
        tasks_dir = Path(tasks_dir)
        tasks_dir.mkdir(parents=True, exist_ok=True)
        final = tasks_dir / folder_name(metadata)
        rates = tuple(rates) or _default_rates(clips)
        if any(rate <= 0 for rate in rates):
            raise TaskError(f"rates are {rates}; expected Hz such as 16000")
        with staging(final) as partial_path:
            known, groups = _known(metadata["splits"], clips), _groups(clips)
            write_task(partial_path, metadata, items, known, groups)
            if final.exists() and not force:
                _check_same(final, partial_path, rates)
                return final
            for rate in rates:
                for split in metadata["splits"]:
                    (partial_path / str(rate) / split).mkdir(parents=True)
            make = partial(_make_clip, partial_path, rates, metadata["sample_duration"])
            own_rates = set()
            for done, own_rate in enumerate(
                in_parallel(make, list(clips.items()), workers), start=1
            ):
                own_rates.add(own_rate)
                if on_progress:
                    on_progress(done, len(clips))
            write_prepared(partial_path, description(SOXR), dict.fromkeys(rates, own_rates))
            read_task(partial_path)
            move_into_place(partial_path, final)
        return final


def _known(
    splits: Sequence[str], clips: Mapping[str, Clip]
) -> dict[str, dict[str, Sequence[Any]]] | None:
    """Labels that are known of every file of every split; None where all are."""
    known: dict[str, dict[str, Sequence[Any]]] = {split: {} for split in splits}
    for path, clip in clips.items():
        if clip.known is None:
            return None
        split, name = path.split("/")
        known[split][name] = clip.known
    return known


def _groups(clips: Mapping[str, Clip]) -> dict[str, str]:
    """By file what it belongs to, itself where that is not known; empty where it is of none."""
    found = {path.split("/")[1]: clip.origin or clip.group for path, clip in clips.items()}
    return {name: group or name for name, group in found.items()} if any(found.values()) else {}


def _make_clip(
    folder: Path, rates: Sequence[int], seconds: float | None, item: tuple[str, Clip]
) -> int:
    name, clip = item
    paths = {rate: folder / str(rate) / name for rate in rates}
    return write_at_rates(clip.source, paths, seconds)


def _default_rates(clips: Mapping[str, Clip]) -> tuple[int, ...]:
    sources = [clip.source for clip in clips.values()]
    best = max(s[1] if isinstance(s, tuple) else audio_rate(s) for s in sources)
    return tuple(sorted({DEFAULT_RATE, max(DEFAULT_RATE, best)}))


def _check_same(final: Path, new: Path, rates: Sequence[int]) -> None:
    task = read_task(final)
    if not (final / PREPARED_FILE).exists():
        raise TaskError(
            f"{final}: is there already, but it was not prepared here, or by an earlier version"
            " whose resampler had no dither; move it away, or --force to prepare it again"
        )
    if not (final / GROUPS_FILE).exists() and (new / GROUPS_FILE).exists():
        # Prepared by a version that did not keep them; they change nothing else.
        copyfile(new / GROUPS_FILE, final / GROUPS_FILE)
    for path in new.iterdir():
        there = final / path.name
        if not there.is_file() or path.read_bytes() != there.read_bytes():
            raise TaskError(
                f"{final}: is there already with another {path.name}; move it away, give the"
                " new task another name or version, or --force to replace it"
            )
    if missing := set(rates) - set(task.rates()):
        raise TaskError(
            f"{final}: is there already without {min(missing)} Hz; --force to prepare it again"
        )
