"""HTML pages from the templates beside this file."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(template: str, **values: object) -> str:
    """Fill in a template, by file name; numbers through the filter ``n`` get commas."""
    environment = Environment(
        loader=FunctionLoader(lambda name: files("reports").joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["n"] = lambda value: f"{value:,}"
    return environment.get_template(template).render(**values)
