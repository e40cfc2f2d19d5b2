"""MTEB and MAEB: run the real package on a HEAR module, and write what its pull requests need."""

from __future__ import annotations

import pprint
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mteb
from mteb.models import ModelMeta

from benchmark.adapters.adapter import Adapter
from benchmark.adapters.mteb_encoder import HearEncoder
from benchmark.adapters.mteb_facts import model_facts
from benchmark.errors import UserError, one_line

SUBMIT = """\
# Submit {name}

1. The model, to embeddings-benchmark/mteb: `model/{file}` goes into
   `mteb/models/model_implementations/`, `model/mteb_mock_run_results.md` into the description.
   Fields that are None are not known here: fill in those that you know.
   MTEB asks you to declare that the model was not trained on evaluation data.
2. The results, to embeddings-benchmark/results, once the model is merged:

       import mteb
       cache = mteb.ResultCache("{folder}")
       cache.submit_results("{name}", create_pr=True)  # needs mteb[github] and a GitHub token
"""


def encoder(adapter: Adapter, name: str) -> HearEncoder:
    """The model as MTEB runs it, with its metadata; raises as `model_facts`."""
    spec = adapter.model.spec
    keywords = {"module": spec.module, "weights": spec.weights, "options": dict(spec.options)}
    made = HearEncoder(name, adapter.revision, adapter=adapter)
    made.mteb_model_meta = ModelMeta(
        loader=HearEncoder, loader_kwargs=keywords, **model_facts(adapter, name)
    )
    return made


def find_tasks(names: Sequence[str]) -> list[Any]:
    """MTEB's tasks of these names; the name of a benchmark stands for all of its tasks.

    Raises
    ------
    UserError
        An unknown name, or a task that has other inputs than audio.
    """
    found: list[Any] = []
    for name in names:
        try:
            if name in {benchmark.name for benchmark in mteb.get_benchmarks()}:
                found += list(mteb.get_benchmark(name).tasks)
            else:
                found.append(mteb.get_task(name))
        except Exception as error:
            text = f"mteb knows no task or benchmark {name!r}: {one_line(error)}"
            raise UserError(text) from None
    for task in found:
        if set(task.metadata.modalities) != {"audio"}:
            raise UserError(
                f"{task.metadata.name} is of {'+'.join(sorted(task.metadata.modalities))};"
                " a HEAR module embeds audio alone"
            )
    return found


def run(
    adapter: Adapter, name: str, tasks: Sequence[Any], out: Path, on_failure: Callable[[str], None]
) -> list[tuple[str, float]]:
    """Run tasks and write results and the files of a pull request.

    Results are in ``results/`` as `mteb.ResultCache` keeps them; a task that is there is not run
    again. The rest is in ``model/`` and ``SUBMIT.md``, for weights that are not random.

    Returns
    -------
    list
        Name and main score of every task that went well.
    """
    model = encoder(adapter, name)
    cache = mteb.ResultCache(out)
    scores = []
    for task in tasks:
        try:
            result = mteb.evaluate(model, task, cache=cache, encode_kwargs={"batch_size": 8})
        except Exception as error:
            on_failure(f"{task.metadata.name}: {one_line(error)}")
            continue
        scores += [(each.task_name, float(each.get_score())) for each in result.task_results]
    if not adapter.model.random_weights:
        write_pull_request(model, out)
    return scores


def write_pull_request(model: HearEncoder, out: Path) -> Path:
    """Write ``SUBMIT.md`` and ``model/``: the module for MTEB and the result of its mock run."""
    meta = model.mteb_model_meta
    name = str(meta.name)
    leaf = "".join(c if c.isalnum() else "_" for c in name.rpartition("/")[2].lower())
    folder = out / "model"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{leaf}_models.py"
    path.write_text(model_source(model.adapter, name, leaf), encoding="utf-8")
    mock = mteb.mock_run(model).to_markdown()
    (folder / "mteb_mock_run_results.md").write_text(mock, encoding="utf-8")
    text = SUBMIT.format(name=name, file=path.name, folder=out.resolve())
    (out / "SUBMIT.md").write_text(text, encoding="utf-8")
    return path


def model_source(adapter: Adapter, name: str, variable: str) -> str:
    """The Python file that declares the model to MTEB."""
    spec = adapter.model.spec
    # A path is of this machine: elsewhere the module finds its own weights, or the revision tells.
    keywords = {"module": spec.module, "options": dict(spec.options)}
    facts = "".join(
        f"    {key}={pprint.pformat(value, width=80)},\n"
        for key, value in model_facts(adapter, name).items()
    )
    return (
        "from benchmark.adapters.mteb_encoder import HearEncoder  # of the package hear-plugins\n\n"
        "from mteb.models import ModelMeta\n\n"
        f"{variable} = ModelMeta(\n    loader=HearEncoder,\n    loader_kwargs={keywords!r},\n"
        f"{facts})\n"
    )
