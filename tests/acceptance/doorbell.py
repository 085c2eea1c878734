"""A program that takes whatever webhooks tell it: ``python -m tests.acceptance.doorbell ADDRESS CERTIFICATE KEY``."""

from __future__ import annotations

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers each message with 204."""

    def do_POST(self) -> None:
        """Take one message."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()


def main() -> None:
    """Listen for HTTP on port 80 and for HTTPS on port 443."""
    address, certificate, key = sys.argv[1:]
    plain, secure = (ThreadingHTTPServer((address, port), Handler) for port in (80, 443))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    secure.serve_forever()


if __name__ == "__main__":
    main()
