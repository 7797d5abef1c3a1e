"""Do a worker's part of the work: take one unit through the steps, batch by batch.

A work unit and a recipe go in; shards and a report in the work folder come out. Nothing here knows of Beam.
"""
