"""Ask language models what they are made of, what they predict, and what they have learned by heart.

Model folders, or names on the model hub, and shards go in; answers come out as text, as JSON, and as one HTML page.
Writes the files that flags name and no others. Other packages call the command `python -m probes`; nothing is exported.
"""

from wikilm.missing import tell_missing

__all__: list[str] = []

tell_missing(__name__)
