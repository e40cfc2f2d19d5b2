"""Audio to embeddings on disk, and from disk to tensors."""
