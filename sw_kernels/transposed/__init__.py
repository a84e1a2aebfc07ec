"""Copies with one dimension moved to the end."""
