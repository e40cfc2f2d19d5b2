"""Rows for public leaderboards."""
