"""Drawings, charts and the HTML page of a design."""

from reports.drawing import draw_array
from reports.page import design_page

__all__ = ["design_page", "draw_array"]
