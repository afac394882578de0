"""Which shard of a distributed store holds a collector: the one place to change. A transaction touches one shard."""

from zlib import crc32

from amcash.domain.vocabulary import CollectorNumber


def shard_of(collector: CollectorNumber, shards: int) -> int:
    """Return the number, from 0 on, of the shard that holds all of a collector's rows.

    A distributed store must either distribute by this function, or have its own put here: what it holds apart must not
    meet in one transaction. It depends on nothing but the digits, so every process on every machine agrees.
    """
    return crc32(collector.encode()) % shards if shards > 1 else 0
