"""Let the processes of a training, on one machine or many, start, agree, miss each other and end.

Modules are imported one by one: `--help` and the end of a launcher must not wait for torch.
"""

__all__: list[str] = []
