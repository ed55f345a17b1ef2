"""ClickHouse's own compression of native blocks, as its HTTP interface uses it with compress=1 and decompress=1.

A frame is 16 bytes CityHash128 of what follows, 1 byte method, 4 bytes length of the compressed part with its 9 byte
head, 4 bytes length of the plain part, the compressed part.
"""
import struct

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

LZ4, ZSTD = 0x82, 0x90
FRAME_SIZE = 1 << 20
LOW_64_BITS = (1 << 64) - 1


def checksum(data):
    digest = CityHash128(data)
    return struct.pack("<QQ", digest >> 64, digest & LOW_64_BITS)


def compress(data, method):
    """data as frames; method is "LZ4" or "ZSTD"."""
    frames = bytearray()
    for start in range(0, len(data), FRAME_SIZE):
        plain = data[start:start + FRAME_SIZE]
        if method == "ZSTD":
            tag, packed = ZSTD, zstandard.ZstdCompressor(level=1).compress(plain)
        else:
            tag, packed = LZ4, lz4.block.compress(plain, store_size=False)
        head = struct.pack("<BII", tag, len(packed) + 9, len(plain))
        frames += checksum(head + packed) + head + packed
    return bytes(frames)


def decompress(read):
    """The plain parts of the frames that read(n) gives."""
    while True:
        head = read(25)
        if not head:
            return
        tag, packed_size, plain_size = struct.unpack("<BII", head[16:25])
        packed = read(packed_size - 9)
        if checksum(head[16:25] + packed) != head[:16]:
            raise ValueError("Code: 40. DB::Exception: Checksum doesn't match: corrupted data. (CHECKSUM_DOESNT_MATCH)")
        if tag == LZ4:
            yield lz4.block.decompress(packed, uncompressed_size=plain_size)
        elif tag == ZSTD:
            yield zstandard.ZstdDecompressor().decompress(packed, max_output_size=plain_size)
        else:
            yield packed
