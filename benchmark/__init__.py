"""The runner: embeds tasks with any HEAR module, evaluates the embeddings, makes tables."""
