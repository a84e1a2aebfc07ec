"""HTML pages from the templates beside this file."""

from __future__ import annotations

import math
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: object) -> str:
    """Fill in a template, by file name; filters: ``n``, ``us``, ``joule``, ``breakable`` (behind commas)."""
    environment = Environment(
        loader=FunctionLoader(lambda name: files("reports").joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["n"] = lambda value: f"{value:,}"
    environment.filters["us"] = lambda value: "-" if value is None else scaled(value / 1e6, "s")
    environment.filters["joule"] = lambda value: scaled(value, "J")
    environment.filters["breakable"] = lambda text: Markup(",<wbr>").join(text.split(","))
    return environment.get_template(template).render(**values)


def scaled(value: float, unit: str) -> str:
    """A number above 0 to three digits with the prefix that keeps it between 1 and 1000."""
    power = min(0, max(-4, math.floor(math.log10(value) / 3))) if value > 0 else 0
    digits = float(f"{value / 1000**power:.3g}")
    return f"{digits:,g} {('', 'm', 'µ', 'n', 'p')[-power]}{unit}"
