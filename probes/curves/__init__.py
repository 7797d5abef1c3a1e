"""Ask every checkpoint that a training has kept the same questions, so that one sees when a model learns what.

Model folders with copies of their weights and shards go in, answers by step come out. This wing reads folders, and
writes nothing.
"""

from probes.curves.curves import CurvesResult, ModelCurve

__all__ = [
    "CurvesResult",
    "ModelCurve",
]
