"""Names of designs that are shown together."""

from __future__ import annotations

from dataclasses import replace

from study_samples import POINT

from reports.exploration.brief import brief_names


def test_what_varies_is_the_name_and_the_rest_is_shared() -> None:
    points = [POINT, replace(POINT, array=(8, 8)), replace(POINT, buffer_bytes=2048)]
    assert brief_names(points) == (
        ["4x4, 4 KB", "8x8, 4 KB", "4x4, 2 KB"],
        "m-n+oc-ic+k-n, int8, 8 GB/s, 0.5 GHz, 28nm",
    )


def test_names_stay_whole_where_nothing_or_not_the_same_varies() -> None:
    other = replace(POINT, tiler="systolic")
    assert brief_names([]) == ([], "")
    assert brief_names([POINT]) == ([str(POINT)], "")
    assert brief_names([POINT, POINT]) == ([str(POINT)] * 2, "")
    assert brief_names([POINT, other]) == ([str(POINT), str(other)], "")
