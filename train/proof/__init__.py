"""Prove that a killed training resumes exactly: kill it at chosen moments, and compare every number.

Set-ups go in, comparisons come out. Trainings run as processes of their own, in a temporary folder. Modules are
imported one by one: `python -m train.proof.dying` starts as `python -m train` does, with nothing loaded before.
"""

__all__: list[str] = []
