"""Prove that a killed training resumes exactly: kill it at chosen moments, and compare every number.

Set-ups go in, comparisons come out. Trainings run as processes of their own, in a temporary folder.
"""

from train.proof.proof import (
    Inputs,
    Outcome,
    SetUp,
    chosen_kills,
    inputs_of_preset,
    killed,
    own_params,
    prepared,
    undisturbed,
)

__all__ = [
    "Inputs",
    "Outcome",
    "SetUp",
    "chosen_kills",
    "inputs_of_preset",
    "killed",
    "own_params",
    "prepared",
    "undisturbed",
]
