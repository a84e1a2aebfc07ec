from __future__ import annotations

from hypothesis import settings

# The same examples on every run and machine; no test is judged by the clock.
settings.register_profile("fixed", deadline=None, derandomize=True, print_blob=True)
# For a search: pytest --hypothesis-profile=random
settings.register_profile("random", deadline=None, print_blob=True)
settings.load_profile("fixed")
