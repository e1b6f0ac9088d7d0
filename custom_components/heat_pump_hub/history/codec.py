"""How frames are compressed. Frames of one coding may follow one another in one body."""

from collections.abc import Mapping
from compression import gzip, zlib, zstd
from enum import StrEnum
from typing import Final

_OPTIONS: Final[Mapping[int, int]] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.checksum_flag: 1,
}
_MAGIC_GZIP: Final = b"\x1f\x8b"


class Coding(StrEnum):
    """A content coding, as HTTP names it."""

    ZSTD = "zstd"
    GZIP = "gzip"
    """For servers that take zstd for nothing, without a word (VictoriaMetrics 1.79.5)."""


class DamagedError(ValueError):
    """What should be compressed cannot be decompressed."""


class Compressor:
    """Makes frames; one for each thread that does so."""

    def __init__(self) -> None:
        """Keep the state of zstd, which costs more than a small frame."""
        self._zstd = zstd.ZstdCompressor(options=_OPTIONS)

    def compress(self, text: bytes, coding: Coding) -> bytes:
        """Return one frame with a checksum."""
        if coding is Coding.ZSTD:
            return self._zstd.compress(text, zstd.ZstdCompressor.FLUSH_FRAME)
        return gzip.compress(text, compresslevel=1, mtime=0)


def coding_of(body: bytes) -> Coding:
    """Return how a frame is compressed."""
    return Coding.GZIP if body.startswith(_MAGIC_GZIP) else Coding.ZSTD


def decompress(body: bytes) -> bytes:
    """Return the text of all frames of a body. Raises :class:`DamagedError`."""
    try:
        if coding_of(body) is Coding.GZIP:
            return gzip.decompress(body)
        return zstd.decompress(body)
    except (zstd.ZstdError, OSError, EOFError, zlib.error) as err:
        raise DamagedError(str(err)) from err


def transcode(bodies: list[bytes], coding: Coding) -> list[bytes]:
    """Return frames in another coding; takes a while, so not for the event loop.

    Raises :class:`DamagedError`.
    """
    compressor = Compressor()
    return [
        body if coding_of(body) is coding else compressor.compress(decompress(body), coding)
        for body in bodies
    ]
