"""Scenes to pixels on the grid of an area."""
