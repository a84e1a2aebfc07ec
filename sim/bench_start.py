"""The simulator's first Python: keeps pytest, which cocotb loads whole for three names, out of the process.

Loading it takes twice as long as everything else that a small simulation does.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace


def without_pytest() -> None:
    """Stand in for what cocotb refers to; the bench's own test uses none of it."""

    class RaisedError(Exception):
        """RaisedError by nothing."""

    def nothing(*arguments: object, **options: object) -> None:
        """Do nothing."""

    contents: dict[str, dict[str, object]] = {
        "pytest": {
            "RaisesExc": type("RaisesExc", (), {}),
            "RaisesGroup": type("RaisesGroup", (), {}),
            "raises": SimpleNamespace(Exception=RaisedError),
        },
        "_pytest": {},
        "_pytest.assertion": {"install_importhook": nothing},
        "_pytest.config": {"Config": SimpleNamespace(fromdictargs=nothing)},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
