"""Do the driver's part of the work: plan a job, run it on a Beam runner, and show how it goes.

Settings go in, a published set of shards comes out. Modules are imported one by one, since Beam takes seconds that
`--help` must not wait for.
"""

__all__: list[str] = []
