"""Scenes to committed days: read ahead, made, stored."""
