"""The steps of cleaning a page, compiled by numba, each under the name of the module that it follows.

`page` is the door. Nothing is imported here, since numba takes seconds to load.
"""

__all__: list[str] = []
