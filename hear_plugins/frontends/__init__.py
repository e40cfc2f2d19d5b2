"""Audio to spectrograms, batched, in torch."""
