"""MTEB: facts of a model, and the real package on three plugins and a task of local audio."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.adapters.adapter import Adapter, load_adapter
from benchmark.adapters.mteb_facts import check_name, model_facts
from benchmark.cli.main import main
from benchmark.errors import UserError
from hear_plugins.api.card import read_card

BYOL_A = {"random_weights": 1, "dimensions": 512}
MTEB = importlib.util.find_spec("mteb") is not None
needs_mteb = pytest.mark.skipif(not MTEB, reason="mteb is not installed: pip install '.[mteb]'")


def test_facts_come_from_card_and_weights() -> None:
    adapter = load_adapter("hear_plugins.crepe")
    facts = model_facts(adapter, "marl/crepe")
    assert facts["n_parameters"] == 13_112_192
    assert facts["memory_usage_mb"] == pytest.approx(4 * 13_112_192 / 2**20, abs=0.1)
    assert (facts["embed_dim"], facts["release_date"]) == (2048, "2020-08-01")
    assert facts["reference"] == "https://arxiv.org/abs/1802.06182"
    assert "title = {CREPE" in facts["citation"]
    assert facts["public_training_data"] is None


def test_what_is_not_known_stays_none(tmp_path: Path) -> None:
    facts = model_facts(load_adapter("tiny_hear"), "me/tiny")
    unknown = (
        "open_weights",
        "license",
        "release_date",
        "training_datasets",
        "citation",
        "contacts",
        "reference",
    )
    assert [facts[key] for key in unknown] == [None] * len(unknown)


@pytest.mark.parametrize("name", ["byol-a", "a/b/c", "a/ b", "/b"])
def test_names_of_the_board_are_checked(name: str) -> None:
    with pytest.raises(UserError, match="organisation/model"):
        check_name(name)


def test_the_card_gives_a_citation_where_there_is_a_paper() -> None:
    card = read_card("byol_a")
    assert card.bibtex.startswith("@misc{niizumi2021,")
    assert card.training_code == "https://github.com/nttcslab/byol-a"
    assert read_card("logmel").bibtex == ""


def test_without_mteb_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark.cli.board_commands.find_spec", lambda name: None)
    line = ["mteb", "hear_plugins.logmel", "--tasks", "BeijingOpera", "--out", str(tmp_path)]
    assert main(line) == 2
    assert capsys.readouterr().err.strip().endswith("pip install 'hear-plugins[mteb]'")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")


@pytest.mark.long
@needs_mteb
@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("hear_plugins.logmel", {}),
        ("hear_plugins.byol_s", {"random_weights": 1}),
        ("hear_plugins.byol_a", BYOL_A),
    ],
)
@pytest.mark.usefixtures("offline")
def test_mtebs_mock_run_passes(module: str, options: dict[str, object]) -> None:
    import mteb

    from benchmark.adapters.mteb_run import encoder

    name = f"local/{module.rpartition('.')[2]}"
    found = mteb.mock_run(encoder(load_adapter(module, options=options), name))
    assert found.all_passed
    assert sum(result is not None for _, result in found.items()) >= 7


@pytest.mark.long
@needs_mteb
@pytest.mark.usefixtures("offline")
def test_a_task_of_local_audio_gives_what_submit_results_reads(tmp_path: Path) -> None:
    import mteb

    from benchmark.adapters.mteb_run import run

    adapter = load_adapter("hear_plugins.logmel")
    failures: list[str] = []
    tasks = [_local_task(), _local_task(broken=True)]
    scores = run(adapter, "local/logmel", tasks, tmp_path, failures.append)
    # Noise against a tone: anything that hears tells them apart.
    assert scores == [("LocalTones", 1.0)]
    assert len(failures) == 1 and failures[0].startswith("LocalBroken: ")
    folder = tmp_path / "results" / "local__logmel" / adapter.revision
    result = json.loads((folder / "LocalTones.json").read_text())
    assert result["scores"]["test"][0]["main_score"] == 1.0
    assert json.loads((folder / "model_meta.json").read_text())["revision"] == adapter.revision
    kept = mteb.ResultCache(tmp_path).load_results(models=["local/logmel"], tasks=["LocalTones"])
    assert kept.model_results
    assert "MockAudioClassification" in (tmp_path / "model/mteb_mock_run_results.md").read_text()
    assert (tmp_path / "SUBMIT.md").is_file()
    _declares(tmp_path / "model" / "logmel_models.py", adapter)


def _declares(path: Path, adapter: Adapter) -> None:
    """The file of the pull request makes the same model by itself."""
    spec = importlib.util.spec_from_file_location("declared", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    meta = module.logmel
    model = meta.loader(meta.name, meta.revision, **meta.loader_kwargs)
    assert model.adapter.revision == adapter.revision
    with pytest.raises(ValueError, match="not another"):
        meta.loader(meta.name, "another", **meta.loader_kwargs)


def _local_task(broken: bool = False) -> object:
    from datasets import Audio, Dataset, DatasetDict
    from mteb.abstasks.classification import AbsTaskClassification
    from mteb.abstasks.task_metadata import TaskMetadata

    class Local(AbsTaskClassification):
        metadata = TaskMetadata(
            name="LocalBroken" if broken else "LocalTones",
            description="Tones and noise.",
            reference=None,
            dataset={"path": "none", "revision": "1"},
            type="AudioClassification",
            category="a2c",
            modalities=["audio"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="accuracy",
            date=("2026-01-01", "2026-01-01"),
            domains=["Music"],
            task_subtypes=[],
            license="mit",
            annotations_creators="derived",
            dialect=[],
            sample_creation="created",
            bibtex_citation="",
        )
        input_column_name = "audio"
        label_column_name = "label"

        def load_data(self, *args: object, **kwargs: object) -> None:
            if broken:
                raise RuntimeError("no data")
            draw = np.random.default_rng(0)
            time = np.arange(22050) / 22050
            sounds = [
                0.3 * np.sin(2 * np.pi * draw.uniform(200, 900) * time)
                if label
                else 0.3 * draw.uniform(-1, 1, len(time))
                for label in [0, 1] * 12
            ]
            rows = {
                "audio": [{"array": sound, "sampling_rate": 22050} for sound in sounds],
                "label": [0, 1] * 12,
            }
            made = Dataset.from_dict(rows).cast_column("audio", Audio())
            self.dataset = DatasetDict({"train": made, "test": made})
            self.data_loaded = True

    return Local()
