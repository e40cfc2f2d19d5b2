"""Published checkpoints: catalogue, download and safe loading."""
