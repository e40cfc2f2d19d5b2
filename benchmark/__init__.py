"""The runner: embeds tasks with any HEAR module, evaluates the embeddings, makes tables."""

from benchmark.import_path import check_packages

check_packages()  # before anything imports what a user's file of the same name would hide
