"""The simulator's first Python: keeps what cocotb loads whole for a few names out of the process.

Loading pytest takes twice as long as everything else that a small simulation does, and asyncio and the version's
look-up a third of the rest.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType, SimpleNamespace


def load_little() -> None:
    """Stand in for what cocotb refers to and the bench's own test does not use."""

    class RaisedError(Exception):
        """RaisedError by nothing."""

    def nothing(*arguments: object, **options: object) -> None:
        """Do nothing."""

    _stand_in("pytest", RaisesExc=type("RaisesExc", (), {}), RaisesGroup=type("RaisesGroup", (), {}),
              raises=SimpleNamespace(Exception=RaisedError))  # fmt: skip
    _stand_in("_pytest")
    _stand_in("_pytest.assertion", install_importhook=nothing)
    _stand_in("_pytest.config", Config=SimpleNamespace(fromdictargs=nothing))
    # Only a message that is not shown names it.
    _stand_in("cocotb._version", __version__="")
    _exceptions_alone("asyncio")


def _stand_in(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    return module


def _exceptions_alone(name: str) -> None:
    """Load of a package its exceptions and nothing else; its other modules are still found."""
    found = importlib.util.find_spec(name)
    assert found is not None, name
    package = _stand_in(name, __path__=found.submodule_search_locations)
    exceptions = importlib.import_module(f"{name}.exceptions")
    vars(package).update({each: getattr(exceptions, each) for each in exceptions.__all__})
