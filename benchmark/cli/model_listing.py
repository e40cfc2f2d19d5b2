"""Lists for the terminal and the README: the models, and which of them are on this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmark.errors import UserError
from benchmark.models.discovery import OUR_PACKAGE, near_modules, our_modules
from benchmark.reports.alignment import aligned
from hear_plugins.api.card import read_card
from hear_plugins.weights.catalogue import CHECKPOINTS, Checkpoint
from hear_plugins.weights.loading import cache_dir, here


def models_table() -> str:
    """The models of this package, one line each, and whether what they need is on this machine."""
    rows: list[tuple[str, ...]] = [("module", "Hz", "scene", "timestamps", "parameters", "here")]
    for module in our_modules():
        name = module.rpartition(".")[2]
        rows.append((module, *_facts(name)[1:], "yes" if _is_ready(name) else "-"))
    notes = (
        "here: the weights are in an installed package, or in the folder",
        str(cache_dir()),
        "Others are downloaded when first used, where their publisher lets it.",
        "`hear-benchmark models NAME` tells paper, weights and licence.",
    )
    return "\n".join([aligned(rows), "", *notes])


def models_markdown() -> str:
    """The models as the Markdown table of the README."""
    rows = [
        "| module | model | paper | Hz | scene | timestamps | parameters | weights |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for module in our_modules():
        name = module.rpartition(".")[2]
        cells = (f"`{module}`", read_card(name).summary, *_facts(name), _weights(name))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def model_details(name: str) -> str:
    """One model in full: its card, and every file of weights that is published for it.

    Parameters
    ----------
    name
        With or without the package.

    Raises
    ------
    UserError
        No model of this package has this name.
    """
    module = f"{OUR_PACKAGE}.{name.rpartition('.')[2]}"
    if module not in our_modules():
        raise UserError(f"no model {name!r}{near_modules(name)}")
    name = module.rpartition(".")[2]
    header = ("paper", "sample rate (Hz)", "scene", "timestamps", "parameters")
    card = read_card(name)
    facts = list(zip(header, (card.paper or "ours", *_facts(name)[1:]), strict=True))
    blocks = [module, card.text, aligned(facts)]
    blocks += [aligned(_checkpoint_fields(checkpoint)) for checkpoint in _checkpoints(name)]
    return "\n\n".join(blocks)


def card_facts(module: str) -> dict[str, str]:
    """What the card of one of our models tells beside its records; of other models nothing."""
    if module not in our_modules():
        return {}
    card = read_card(module.rpartition(".")[2])
    return {"model": card.summary, "paper": card.paper, "parameters": _counted(card.parameters)}


def ready_modules() -> list[str]:
    """Import paths of the models whose package or default weights are on this machine."""
    return [module for module in our_modules() if _is_ready(module.rpartition(".")[2])]


def has_weights(module: str, file: str = "") -> bool:
    """Whether a published file of weights of one of our models is here; of no file, its package."""
    name = module.rpartition(".")[2]
    if not file:
        return _is_ready(name)
    published = (each for each in _checkpoints(name) if Path(each.file).name == file)
    return any(here(each) for each in published)


def _facts(name: str) -> tuple[str, ...]:
    card = read_card(name)
    sizes = (card.sample_rate, card.scene_embedding_size, card.timestamp_embedding_size)
    return (card.short_paper, *map(str, sizes), _counted(card.parameters))


def _counted(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters else "none"


def _weights(name: str) -> str:
    """Default file of weights, its size where it is known, and its licence."""
    published = _checkpoints(name)
    if not published:
        package = read_card(name).package
        return f"in the package {package}" if package else "none needed"
    size = f", {published[0].size / 1e6:.0f} MB" if published[0].size else ""
    return f"{published[0].file}{size}; {published[0].licence}"


def _checkpoint_fields(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    place = cache_dir() / checkpoint.file
    absent = "no; huggingface_hub gets it" if checkpoint.hub else f"no; it belongs at {place}"
    fields = {
        "weights": checkpoint.file,
        "variant": checkpoint.variant,
        "by hand from" if checkpoint.by_hand else "url": checkpoint.url,
        "member": checkpoint.member,
        "bytes": "" if checkpoint.size is None else f"{checkpoint.size:,}",
        "sha256": checkpoint.sha256 or "",
        "git blob": checkpoint.git_blob or "",
        "md5": checkpoint.md5 or "",
        "licence": checkpoint.licence,
        "source": checkpoint.source,
        "note": checkpoint.note,
        "here": str(here(checkpoint) or absent),
    }
    return [(key, value) for key, value in fields.items() if value]


def _is_ready(name: str) -> bool:
    package, published = read_card(name).package, _checkpoints(name)
    if package and importlib.util.find_spec(package) is None:
        return False
    return not published or here(published[0]) is not None


def _checkpoints(name: str) -> list[Checkpoint]:
    """Published weights of a model, the default ones first."""
    return [checkpoint for checkpoint in CHECKPOINTS if checkpoint.module == name]
