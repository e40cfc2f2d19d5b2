"""Results are kept as JSON without losing what is not a finite number."""

from __future__ import annotations

import json
import math

from benchmark.protocols.hear.kit_scores import aggregate, fold_results
from benchmark.protocols.result import FoldResult, results_from_json, results_json


def test_nothing_is_lost_in_json() -> None:
    made = FoldResult("fold00", 3, {"d_prime": math.inf, "aucroc": 1.0}, {"epoch": 2.0}, {"k": 1})
    undefined = FoldResult("fold01", 3, {"d_prime": math.nan, "aucroc": math.nan})
    (first, second) = results_from_json(json.loads(json.dumps(results_json([made, undefined]))))
    assert first == made
    assert math.isnan(second.scores["d_prime"]) and second.postprocessing is None


def test_an_infinite_score_stays_infinite_in_the_mean() -> None:
    """hear-eval-kit's own mean; throwing the perfect fold away would make a model look worse."""
    means = aggregate({"fold00": {"d_prime": 2.0}, "fold01": {"d_prime": math.inf}})
    assert means["d_prime_mean"] == math.inf


def test_folds_are_read_off_the_kits_file() -> None:
    run = {"test_loss": 0.1, "test_score": 0.5, "test_mAP": 0.5, "epoch": 3, "time_in_min": 1.0}
    scores = {
        "fold00": run | {"validation_score": 0.4},
        "fold01": run | {"validation_score": 0.3},
        "aggregated_scores": {"test_score_mean": 0.5},
        "hparams": {"initialization": "<function xavier_uniform_ at 0x7f00>", "lr": 1e-3},
        "postprocessing": [],
        "score_mode": "max",
    }
    first, second = fold_results(scores, 42)
    assert (first.fold, second.fold, first.seed) == ("fold00", "fold01", 42)
    assert first.scores == {"mAP": 0.5}
    assert first.training["validation_score"] == 0.4 and first.training["test_loss"] == 0.1
    assert first.hparams == {"initialization": "<function xavier_uniform_>", "lr": 1e-3}
