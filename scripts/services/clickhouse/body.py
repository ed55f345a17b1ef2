"""The body of a request: chunked or not, compressed or not."""
import zlib

from compression import decompress

PART = 1 << 18


class Body:
    """Reads a request's body once, in parts. It never holds more than one part, or what read(n) was asked for."""

    def __init__(self, handler):
        self.stream = handler.rfile
        self.chunked = "chunked" in handler.headers.get("Transfer-Encoding", "")
        self.left = 0 if self.chunked else int(handler.headers.get("Content-Length") or 0)
        self.pending = b""
        self.ended = False

    def part(self):
        """The next bytes, b"" at the end."""
        if self.ended:
            return b""
        data = self._chunk() if self.chunked else self._plain()
        self.ended = not data
        return data

    def _plain(self):
        data = self.stream.read(min(self.left, PART)) if self.left else b""
        self.left -= len(data)
        return data

    def _chunk(self):
        size = int(self.stream.readline().strip().split(b";")[0] or b"0", 16)
        if size == 0:
            while self.stream.readline() not in (b"\r\n", b"\n", b""):
                pass
            return b""
        data = self.stream.read(size)
        self.stream.readline()
        if len(data) < size:
            # The client died: half an INSERT must not become a whole one.
            raise ConnectionError("the body ended early")
        return data

    def read(self, n):
        """Exactly n bytes, fewer at the end."""
        while len(self.pending) < n:
            data = self.part()
            if not data:
                break
            self.pending += data
        data, self.pending = self.pending[:n], self.pending[n:]
        return data

    def drain(self):
        """Reads the rest away, so that the connection can be used again."""
        while self.part():
            pass

    def parts(self, encoding, native):
        """The plain body, of a Content-Encoding and of ClickHouse's own compression (native)."""
        if native:
            yield from decompress(self.read)
            return
        if encoding not in ("", "gzip", "deflate"):
            raise ValueError(f"Code: 36. DB::Exception: Unsupported Content-Encoding {encoding}. (BAD_ARGUMENTS)")
        inflate = zlib.decompressobj(31 if encoding == "gzip" else 15) if encoding else None
        while data := self.part():
            yield inflate.decompress(data) if inflate else data
