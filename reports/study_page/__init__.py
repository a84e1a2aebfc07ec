"""The page of an exploration: what was tried, what is best, and where every number comes from."""

from reports.study_page.header import StudyHeader
from reports.study_page.page import study_page, write_study_page

__all__ = ["StudyHeader", "study_page", "write_study_page"]
