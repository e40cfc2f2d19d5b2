"""Modules that pool over steps or layers, against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_up_rows import blobs, rows_of

from benchmark.probes.pooling import AGGREGATORS, AttentivePooling, LocalPredictions
from benchmark.probes.sequences import Padded, SequenceExamples


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def sequence(steps: int, more: int = 0) -> Padded:
    x = torch.randn(1, steps, 5, generator=generator())
    padding = torch.full((1, more, 5), 7.0)
    there = torch.tensor([[True] * steps + [False] * more])
    return Padded(torch.cat([x, padding], dim=1), there)


def test_sequences_are_padded_and_shuffled_as_a_whole() -> None:
    x, _ = blobs(10, 2, 3)
    lengths = torch.tensor([2, 3, 1, 4])
    labels = np.repeat([0, 1, 1, 0], lengths)
    examples = SequenceExamples(rows_of(x, labels), lengths)
    assert examples.count == 4
    assert examples.targets.tolist() == [0, 1, 1, 0]
    (batch, targets), (rest, _) = examples.batches(3)
    assert batch.x.shape == (3, 3, 3)
    assert batch.there.sum(dim=1).tolist() == [2, 3, 1]
    np.testing.assert_array_equal(batch.x[1], x[2:5])
    np.testing.assert_array_equal(rest.x[0], x[6:10])
    assert targets.tolist() == [0, 1, 1]
    shuffled = list(examples.batches(4, generator()))[0]
    found = {
        (tuple(one[there].flatten().tolist()), int(target))
        for one, there, target in zip(*shuffled[0], shuffled[1], strict=True)
    }
    expected = {
        (tuple(x[start:end].ravel().tolist()), label)
        for start, end, label in ((0, 2, 0), (2, 5, 1), (5, 6, 1), (6, 10, 0))
    }
    assert found == expected


@pytest.mark.parametrize("multiclass", [True, False])
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_padding_changes_nothing(aggregator: str, multiclass: bool) -> None:
    module = LocalPredictions(5, 3, aggregator, multiclass, generator())
    torch.testing.assert_close(module(sequence(4)), module(sequence(4, more=3)))


def test_attentive_pooling_starts_from_the_mean_and_can_choose_a_step() -> None:
    module = AttentivePooling(5, 3, generator())
    batch = sequence(4, more=2)
    mean = module.classify(batch.x[:, :4].mean(dim=1))
    torch.testing.assert_close(module(batch), mean)
    with torch.no_grad():
        module.query.copy_(1000 * batch.x[0, 2])
    chosen = int((batch.x[0, :4] @ batch.x[0, 2]).argmax())
    torch.testing.assert_close(module(batch), module.classify(batch.x[:, chosen]))


def test_the_mean_is_of_probabilities() -> None:
    batch = sequence(4)
    module = LocalPredictions(5, 3, "mean", True, generator())
    expected = module.classify(batch.x).softmax(dim=2).mean(dim=1)
    torch.testing.assert_close(module(batch).softmax(dim=1), expected)
    module = LocalPredictions(5, 3, "mean", False, generator())
    expected = module.classify(batch.x).sigmoid().mean(dim=1)
    torch.testing.assert_close(module(batch).sigmoid(), expected)


def test_autopool_goes_from_mean_to_max() -> None:
    batch = sequence(4)
    module = LocalPredictions(5, 3, "autopool", False, generator())
    assert module.factor is not None
    local = module.classify(batch.x).sigmoid()
    for factor, expected in ((0.0, local.mean(dim=1)), (1e5, local.amax(dim=1))):
        with torch.no_grad():
            module.factor.fill_(factor)
        torch.testing.assert_close(module(batch).sigmoid(), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        module.factor.fill_(1.0)
    weights = local.exp() / local.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(module(batch).sigmoid(), (weights * local).sum(dim=1))


def test_unknown_aggregator() -> None:
    with pytest.raises(ValueError, match="mean, attention, autopool"):
        LocalPredictions(5, 3, "max", True, generator())
