"""HTTP on the loopback address with a bounded number of connections, a thread each."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_CONNECTIONS = 128
_Wire = Any  # socketserver keeps the names of these types to itself


class BoundedServer(ThreadingHTTPServer):
    """What every pretend bank listens with. Raises OSError when the port is taken."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.stopping = threading.Event()
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: _Wire, client_address: _Wire) -> None:
        """Wait for a free place, so that a crowd waits in the kernel's queue."""
        while not self._free.acquire(timeout=0.5):
            if self.stopping.is_set():
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: _Wire, client_address: _Wire) -> None:
        """Give the place back, whatever happened."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def shutdown(self) -> None:
        """Stop accepting, and wake those who are silent on purpose."""
        self.stopping.set()
        super().shutdown()

    def handle_error(self, request: _Wire, client_address: _Wire) -> None:
        """A client that went away is no news; all else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
