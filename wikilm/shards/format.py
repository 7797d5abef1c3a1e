"""Name the files of a set of shards, and the columns in them.

DIR/manifest.json                                written last: what it does not list does not exist; see `_Stored`
DIR/{train,validation}/data-00000-of-00012.arrow Arrow IPC streams, one per work unit
DIR/{train,validation}/{state,dataset_info}.json what makes `datasets.load_from_disk(DIR/train)` work
DIR/dataset_dict.json                            what makes `datasets.load_from_disk(DIR)` give both splits
DIR/articles/train-00000-of-00012.arrow          the articles of each shard, in order (see `articles_schema`)
DIR/articles/duplicates.jsonl                    articles left out as copies, each with the one kept; where asked for
DIR/dead_letters.jsonl                           pages that could not be read, with the reason; one empty line if none
DIR/README.md                                    the dataset card: what this is, for people and for the hub
"""

import pyarrow as pa

SPLITS = ("train", "validation")
MANIFEST = "manifest.json"
ARTICLES = "articles"
DUPLICATES = f"{ARTICLES}/duplicates.jsonl"  # in a folder that DVC knows, since the file is not always there
DATASET_DICT = "dataset_dict.json"
DEAD_LETTERS = "dead_letters.jsonl"
CARD = "README.md"


def id_type(vocab_size: int) -> pa.DataType:
    """Return uint16 where every id below `vocab_size` fits, uint32 elsewhere."""
    return pa.uint16() if vocab_size <= 2**16 else pa.uint32()


def schema(chunk_tokens: int, vocab_size: int, names_wikis: bool = False) -> pa.Schema:
    """Columns of a shard: `input_ids` fixed_size_list[chunk_tokens], `page_id` int64 of the article a row starts in.

    Where there are several wikis, also `wiki` string, the article's wiki as the manifest's `mixture` names it.
    """
    ids = pa.list_(pa.field("item", id_type(vocab_size), nullable=False), chunk_tokens)
    return _without_nulls({"input_ids": ids, "page_id": pa.int64()}, names_wikis)


def shard_name(split: str, unit: int, units: int) -> str:
    """Return the path of a shard within its folder, as `datasets` names them."""
    return f"{split}/data-{unit:05d}-of-{units:05d}.arrow"


def articles_schema(names_wikis: bool = False) -> pa.Schema:
    """Columns of an articles table: who is in one shard, in the order of the source.

    `tokens` counts the ids that the article put into the stream: with its end-of-text where `chunking` is pack, and
    those that filled no row too. `revision_id` is 0 where the source does not say. `wiki` is as in `schema`.
    """
    columns = {"page_id": pa.int64(), "revision_id": pa.int64(), "title": pa.string(), "tokens": pa.int64()}
    return _without_nulls(columns, names_wikis)


def _without_nulls(columns: dict[str, pa.DataType], names_wikis: bool) -> pa.Schema:
    if names_wikis:
        columns = columns | {"wiki": pa.string()}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def articles_of(shard: str) -> str:
    """Return the path of the articles table that belongs to a shard, by the shard's path within the same folder."""
    return f"{ARTICLES}/{shard.replace('/data-', '-').replace('/', '-')}"


def articles_name(split: str, unit: int, units: int) -> str:
    """Return the path of the articles table that belongs to the shard of a unit."""
    return articles_of(shard_name(split, unit, units))


CANARY_SHARD = "train/canaries.arrow"
CANARY_ARTICLES = articles_of(CANARY_SHARD)
