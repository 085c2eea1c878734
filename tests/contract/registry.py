"""A registry of a hundred lines on loopback, each of whose repositories misbehaves in its own way.

Docker talks plain HTTP to 127.0.0.0/8, so a real engine pulls from here. Repositories: ``good`` (one layer),
``slow`` (a layer whose second half never comes), ``torn`` (a layer with another content than its digest says),
``denied`` (401), ``forbidden`` (403, with words of the registry's own), ``curt`` (403, with the usual ones),
``hidden`` (401, as Docker Hub says it of what strangers may not see, be it there or not), ``limited`` (429),
``broken`` (500), ``arm`` (for another architecture only), ``alien`` (a single image, of another architecture);
anything else is not there (404).

With `auth` it wants a login for all of them: ``basic``, as a registry by itself does, or ``token``, as Docker Hub and
GitLab do, which send their callers to a token server first.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.serving import HTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


USER, PASSWORD = "ann", "s3cret-of-ann"
"""The one login that a registry with `auth` takes."""

INSUFFICIENT = 'Bearer realm="http://127.0.0.1:1/",error="insufficient_scope"'


def digest(data: bytes) -> str:
    """Return the content address of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


ALIEN = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xb7\0" + bytes(108)
"""The head of a program for arm64."""

REFUSALS = {
    "denied": (401, "UNAUTHORIZED", "authentication required"),
    "forbidden": (403, "DENIED", "User ann is not authorized to pull from this repository"),
    "curt": (403, "DENIED", "requested access to the resource is denied"),
    "hidden": (401, "UNAUTHORIZED", "authentication required"),
    "limited": (429, "TOOMANYREQUESTS", "You have reached your pull rate limit"),
    "broken": (500, "UNKNOWN", "the database is locked"),
}


def layer(text: bytes) -> tuple[bytes, str]:
    """Return a packed layer with one file, and the digest of what it unpacks to."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        item = tarfile.TarInfo("hello")
        item.size, item.mode = len(text), 0o755
        archive.addfile(item, io.BytesIO(text))
    return gzip.compress(raw.getvalue(), compresslevel=0), digest(raw.getvalue())


class Registry(HTTPServer):
    """The stub; `address` is what image names begin with. `released` lets the slow layer go on.

    `pulls` are the manifests that were given away, each as it was asked for.
    """

    def __init__(self, auth: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.auth = auth
        self.password = PASSWORD
        self.pulls: list[str] = []
        self.released = threading.Event()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {
            "good": (MANIFEST, self._image(b"good")),
            # Another layer in each registry, or an engine that has one already would not ask for it.
            "slow": (MANIFEST, self._image(b"slow" * 500_000 + os.urandom(8))),
            "arm": (INDEX, self._index("arm64")),
            "alien": (MANIFEST, self._image(ALIEN, arch="arm64", config={"Cmd": ["/hello"]})),
            "torn": (MANIFEST, self._image(b"torn" + os.urandom(8), torn=True)),
        }
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def publish(self, repository: str, raw: bytes, *, version: str) -> str:
        """Let a repository's tags mean an image of this file system, with `version` in its env; return its digest."""
        body = self._image(raw, packed=gzip.compress(raw, 1), config={"Env": [f"VERSION={version}"]})
        self.manifests[repository] = self.manifests[f"{repository}@{digest(body)}"] = (MANIFEST, body)
        return digest(body)

    def close(self) -> None:
        """Stop serving."""
        self.released.set()
        self.shutdown()
        self.server_close()

    def _store(self, data: bytes, *, torn: bool = False) -> dict[str, Any]:
        self.blobs[digest(data)] = data[:-4] + b"torn" if torn else data
        return {"digest": digest(data), "size": len(data)}

    def _image(
        self,
        text: bytes,
        *,
        packed: bytes | None = None,
        arch: str = "amd64",
        config: dict[str, Any] | None = None,
        torn: bool = False,
    ) -> bytes:
        packed, unpacked = (packed, digest(text)) if packed else layer(text)
        about = {
            "architecture": arch,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [unpacked]},
            "history": [{"created_by": "test"}],
        }
        described = self._store(json.dumps(about).encode())
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **described},
                "layers": [
                    {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **self._store(packed, torn=torn)}
                ],
            }
        ).encode()

    def _index(self, arch: str) -> bytes:
        item = {
            "mediaType": MANIFEST,
            "digest": digest(b""),
            "size": 1,
            "platform": {"architecture": arch, "os": "linux"},
        }
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [item]}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts == ["token"]:
            return self._give_token()
        if self.server.auth and not self._may():
            return self._refuse(401, "UNAUTHORIZED", "authentication required")
        if parts == ["v2"]:
            return self._answer(200, "application/json", b"{}")
        repository, kind, what = parts[1], parts[2], parts[3]
        if repository in REFUSALS:
            return self._refuse(*REFUSALS[repository])
        if kind == "blobs" and what in self.server.blobs:
            return self._answer(200, "application/octet-stream", self.server.blobs[what], slow=repository == "slow")
        known = self.server.manifests
        if kind == "manifests" and repository in known and what != "nosuch":
            # A digest means its own image for ever, also after the repository's tags have moved on.
            media, body = known.get(f"{repository}@{what}", known[repository])
            self.server.pulls.append(f"{repository}:{what}")
            return self._answer(200, media, body)
        return self._refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _may(self) -> bool:
        kind, _, sent = self.headers.get("Authorization", "").partition(" ")
        if self.server.auth == "token":
            return (kind, sent) == ("Bearer", f"for-{USER}")
        return kind == "Basic" and base64.b64decode(sent).decode() == f"{USER}:{self.server.password}"

    def _give_token(self) -> None:
        """Answer as a token server: who sends no login may have a token, but no image for it."""
        kind, _, sent = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and base64.b64decode(sent).decode() != f"{USER}:{self.server.password}":
            return self._refuse(401, "UNAUTHORIZED", "incorrect username or password")
        token = f"for-{USER}" if kind == "Basic" else "for-nobody"
        self._answer(200, "application/json", json.dumps({"token": token, "access_token": token}).encode())

    def _challenge(self) -> str:
        if self.server.auth == "token":
            return f'Bearer realm="http://{self.server.address}/token",service="test"'
        return 'Basic realm="test"'

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._answer(status, "application/json", body)

    def _answer(self, status: int, media: str, body: bytes, *, slow: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Docker-Content-Digest", digest(body))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", INSUFFICIENT if "/hidden/" in self.path else self._challenge())
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        if slow and len(body) > 100_000:
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.server.released.wait(60)
            self.wfile.write(body[half:])
        else:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: the tests' output is theirs."""
