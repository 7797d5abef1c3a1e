"""Turn Parquet into token ids on disk as other tools would do it, for `benchmarks.preprocess`.

python -m benchmarks.peers bare|bare2|map|datatrove --source DIR --tokenizer DIR --output DIR
"""

import argparse
import itertools
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHUNK_TOKENS, PROCESSES = 128, 2


def bare(source: Path, tokenizer: Path, output: Path) -> None:
    """One loop, one core: pyarrow reads, gigatoken encodes, pyarrow writes rows. No split, no checks, no hashes."""
    _loop(sorted(source.glob("*.parquet")), tokenizer, output / "bare.arrow")


def bare_by_two(source: Path, tokenizer: Path, output: Path) -> None:
    """That loop in two processes, each with half the files: what two cores of a machine can do."""
    halves = [sorted(source.glob("*.parquet"))[start::PROCESSES] for start in range(PROCESSES)]
    processes = [
        multiprocessing.get_context("spawn").Process(target=_loop, args=(files, tokenizer, output / f"bare-{i}.arrow"))
        for i, files in enumerate(halves)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a process of the bare loop ended in status {process.exitcode}")


def _loop(files: Sequence[Path], tokenizer: Path, output: Path) -> None:
    import gigatoken
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    encoder = gigatoken.Tokenizer(tokenizer / "tokenizer.json")
    end = np.array([50256], np.uint32)
    columns = pa.schema([("input_ids", pa.list_(pa.uint16(), CHUNK_TOKENS))])
    rest = np.empty(0, np.uint16)
    with pa.OSFile(str(output), "wb") as file, pa.ipc.new_stream(file, columns) as writer:
        for path in files:
            for batch in pq.ParquetFile(path).iter_batches(1000, columns=["text"]):
                layout = encoder.encode_batch(batch.column(0).to_pylist(), parallel=False).layout
                ids, offsets = np.asarray(layout.content.data), np.asarray(layout.offsets.data).tolist()
                pieces = [piece for first, last in itertools.pairwise(offsets) for piece in (ids[first:last], end)]
                stream = np.concatenate([rest, np.concatenate(pieces).astype(np.uint16)])
                used = len(stream) // CHUNK_TOKENS * CHUNK_TOKENS
                rest = stream[used:]
                rows = pa.FixedSizeListArray.from_arrays(pa.array(stream[:used]), type=columns.field(0).type)
                writer.write_batch(pa.record_batch([rows], schema=columns))


def recipe(source: Path, tokenizer: Path, output: Path) -> None:
    """The `datasets.map` recipe of transformers' examples: tokenize in batches, then group into rows of 128."""
    from datasets import load_dataset
    from transformers import AutoTokenizer

    encoder = AutoTokenizer.from_pretrained(tokenizer)

    def tokenize(batch: dict[str, Any]) -> Any:
        return {"input_ids": encoder([text + encoder.eos_token for text in batch["text"]])["input_ids"]}

    def group(batch: dict[str, Any]) -> dict[str, Any]:
        ids = list(itertools.chain.from_iterable(batch["input_ids"]))
        used = len(ids) // CHUNK_TOKENS * CHUNK_TOKENS
        return {"input_ids": [ids[at : at + CHUNK_TOKENS] for at in range(0, used, CHUNK_TOKENS)]}

    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    texts = load_dataset("parquet", data_files=files, split="train", cache_dir=str(output))
    tokens = texts.map(tokenize, batched=True, num_proc=PROCESSES, remove_columns=texts.column_names)
    tokens.map(group, batched=True, num_proc=PROCESSES)


def datatrove(source: Path, tokenizer: Path, output: Path) -> None:
    """The tokenization of datatrove, a task for each file."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    steps = [
        ParquetReader(str(source), read_metadata=False),
        DocumentTokenizer(
            str(output / "tokens"),
            str(tokenizer / "tokenizer.json"),
            eos_token="<|endoftext|>",  # noqa: S106
            shuffle_documents=False,
        ),
    ]
    tasks = len(list(source.glob("*.parquet")))
    LocalPipelineExecutor(
        steps, tasks=tasks, workers=PROCESSES, logging_dir=str(output / "logs"), start_method="spawn"
    ).run()


PEERS = {"bare": bare, "bare2": bare_by_two, "map": recipe, "datatrove": datatrove}


def main() -> None:
    """The command `python -m benchmarks.peers`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--source", type=Path, required=True, help="folder of Parquet files with a column `text`")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder made by python -m pipeline.tokenizer")
    parser.add_argument("--output", type=Path, required=True, help="folder for all that is made")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    PEERS[args.peer](args.source, args.tokenizer, args.output)


if __name__ == "__main__":
    main()
