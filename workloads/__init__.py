"""Nests, formats, guards, and the interpreter that defines what is right."""
