"""Servers in a test's own process, whose clients may leave whenever they like."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from socketserver import BaseServer, ThreadingUnixStreamServer
from typing import Any


class _LetsGo(BaseServer):
    """Says nothing of a client that has hung up; any other fault is printed as ever.

    Python parses source for the arrows under a traceback's line, and in CPython 3.11.7 two threads that parse at once
    can fail each other ("AST constructor recursion depth mismatch", python/cpython#106905). So a traceback that
    nobody needs, printed by a server's thread, could fail whatever test was parsing just then.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the fault that is at hand, unless it is the client's farewell."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class HTTPServer(_LetsGo, ThreadingHTTPServer):
    """An HTTP server with a thread for each connection."""


class UnixServer(_LetsGo, ThreadingUnixStreamServer):
    """The same for any protocol, on a socket of the file system."""
