"""Measure speed and quality, side by side with other tools where there are some."""

from wikilm.missing import tell_missing

tell_missing(__name__)
