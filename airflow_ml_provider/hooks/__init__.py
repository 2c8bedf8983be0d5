"""Hooks: the edges to other systems."""
