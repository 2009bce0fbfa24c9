"""A local stand-in for the hub and for a page that offers a file."""

import contextlib
import hashlib
import http.server
import os
import signal
import time
from collections.abc import Iterator

from tests.campaigns.children import SERVANTS

__all__ = ["Files", "serving"]

_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_PIECE = 1 << 16  # bytes, between which the server waits a moment
_PAUSE = 0.004


class Files:
    """Answers every address with the same file, as the hub would.

    Attributes:
      content: of the file.
    """

    def __init__(self, content: bytes):
        self.content = content

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        """The class that answers requests."""
        content = self.content
        tag = hashlib.sha256(content).hexdigest()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._head(0)

            def do_GET(self) -> None:
                first = self._head(self._first())
                with contextlib.suppress(OSError):  # the run was killed
                    for begin in range(first, len(content), _PIECE):
                        self.wfile.write(content[begin : begin + _PIECE])
                        time.sleep(_PAUSE)

            def _first(self) -> int:
                """The first byte wanted, where a fetch is taken up again."""
                wanted = self.headers.get("Range", "bytes=0-")
                return int(wanted.removeprefix("bytes=").split("-")[0] or 0)

            def _head(self, first: int) -> int:
                self.send_response(206 if first else 200)
                last = len(content) - 1
                if first:
                    where = f"bytes {first}-{last}/{last + 1}"
                    self.send_header("Content-Range", where)
                self.send_header("Content-Length", str(len(content) - first))
                self.send_header("ETag", f'"{tag}"')
                self.send_header("X-Repo-Commit", _COMMIT)
                self.send_header("Accept-Ranges", "bytes")
                self.end_headers()
                return first

            def log_message(self, *arguments: object) -> None:
                del arguments

        return Handler


@contextlib.contextmanager
def serving(files: Files) -> Iterator[str]:
    """Serves files from a process of its own, for forked runs want no threads.

    Yields:
      The address.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), files.handler())
    server.daemon_threads = True
    pid = os.fork()
    if not pid:
        try:
            server.serve_forever()
        finally:
            os._exit(0)
    SERVANTS.add(pid)
    server.socket.close()  # here; the other process has its own
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        SERVANTS.remove(pid)
