"""Answer `index`: make the index that `trace` looks texts up in."""

import argparse
from pathlib import Path

from probes.commands.flags import Commands, command
from probes.settings import IndexSettings, load_settings
from wikilm.params import from_flags


def add(commands: Commands) -> None:
    """Add the command with its flags."""
    purpose = "make an index of shards, in which trace finds where a text stands: a suffix array of each split"
    parser = command(commands, "index", purpose, "index --shards data/shards --output data/index", "index")
    parser.add_argument("--shards", type=Path, required=True, metavar="DIR", help="the shards to index")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", dest="folder", help="folder of the index")
    parser.add_argument("--part-tokens", type=int, metavar="N", help="tokens sorted together; bounds the memory")
    parser.add_argument("--check", action="store_true", help="compare an index that is there with its hashes instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Answer the question for checked flags."""
    settings = load_settings(args.params, "index", IndexSettings, from_flags(args, "part_tokens"))
    from probes.output import counted, emit
    from probes.trace import build_index, check_index
    from wikilm.terminal import visible

    if args.check:
        index = check_index(args.folder, args.shards)
    else:
        index = build_index(args.shards, args.folder, settings.part_tokens)
    tokens, parts = sum(part.rows for part in index.parts) * index.chunk_tokens, len(index.parts)
    size = sum(file.bytes for file in index.files)
    result = {"index": str(args.folder), "tokens": tokens, "bytes": size, "parts": parts}
    told = f"{counted(tokens, 'token')} in {counted(parts, 'part')}, {size:,} bytes"
    emit(result, f"{visible(str(args.folder))}: {told}", as_json=args.json, file=None)
