"""Questions to a model in, answers as text, JSON and one HTML page out."""

from wikilm.missing import tell_missing

tell_missing(__name__)
