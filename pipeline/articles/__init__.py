"""Define what travels: articles in columns, their wiki and their split.

Pages of a source go in, one by one; batches of them come out. Pure: this wing reads and writes nothing.
"""
