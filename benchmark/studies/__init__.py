"""Measurements of this project's own speed and noise."""
