"""Encode prose as token ids, and cut the ids into rows.

Texts go in, arrays come out. This wing reads the folder of the tokenizer, and writes nothing.
"""
