"""Names that TensorFlow Datasets gives to the clips of a corpus, computed without it.

HEAR took some corpora from there and named files by ``tfds_id``; its folds are drawn over these
names. TFDS (since 2019) orders examples by the MD5 of split and key, and cuts them evenly into a
number of shards that follows from the size of the data set (``tfrecords_writer.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def tfds_stems(dataset: str, split: str, keys: Iterable[str], shards: int) -> dict[str, str]:
    """``tfds_id_<dataset>-<split>-tfrecord-<shard>-of-<shards>-<place>`` of every key.

    Parameters
    ----------
    dataset, split
        Their names in TFDS.
    keys
        The keys of all examples of the split, as the data set's builder yields them.
    shards
        Number of files the split has there.
    """
    ordered = sorted(keys, key=lambda key: hashlib.md5((split + key).encode()).digest())
    ends = [int(round(len(ordered) * (i / shards))) for i in range(shards + 1)]
    prefix = f"tfds_id_{dataset.replace('_', '-')}-{split}-tfrecord"
    return {
        key: f"{prefix}-{shard:05d}-of-{shards:05d}-{place}"
        for shard in range(shards)
        for place, key in enumerate(ordered[ends[shard] : ends[shard + 1]])
    }
