"""Plan a source as work units, and read the pages of each.

Section `source` of params.yaml goes in; units, and then pages, come out. This wing reads, by `storage`, and writes
nothing.
"""
