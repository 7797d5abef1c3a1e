"""Look into a source or a finished set of shards: follow a page, trace a row, find what is damaged.

What a user names goes in, lines for people come out. Modules are imported one by one, since each command needs other
packages; nothing is written.
"""

__all__: list[str] = []
