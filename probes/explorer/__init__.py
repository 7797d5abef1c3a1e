"""Serve a local page where models are asked, compared and looked up in their training text.

Loaded models and shards go in, a page on the loopback comes out, which answers by the functions of the command line.
This wing reads its own page's files and the folders that the command line named, and writes none.
"""

from probes.explorer.library import Library, load_all, open_shelf
from probes.explorer.server import listen, serve

__all__ = [
    "Library",
    "listen",
    "load_all",
    "open_shelf",
    "serve",
]
