"""Make a finished set of shards of the rows of all units, or nothing.

Rows and reports go in; files in a work folder, and at the end their final names, come out. This wing writes, by
`storage`.
"""
