"""Attention of one new token a sequence over keys and values that lie in pages."""
