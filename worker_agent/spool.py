"""What a stream yields, read ahead by a thread of its own as far as a bounded buffer goes; then the reading waits.

So whoever sends it on gets all that has come meanwhile in one piece, hears of silence in time, and slows the stream
down by taking nothing.
"""

from __future__ import annotations

import logging
import threading

from worker_agent.runtime import RuntimeFault, Stream

log = logging.getLogger(__name__)


class Spool:
    """The pieces of a stream, joined; `most` is how many bytes are read ahead, the last piece not counted."""

    def __init__(self, stream: Stream[bytes], *, most: int) -> None:
        self._stream = stream
        self._most = most
        self._changed = threading.Condition()
        self._held = bytearray()
        self._ended = False
        self.fault: RuntimeFault | None = None
        """Why the stream broke off before its end; known once `take` has returned None."""
        threading.Thread(target=self._read, name="spool", daemon=True).start()

    def take(self, timeout_s: float) -> bytes | None:
        """Return what has come since, waiting for it; empty when nothing came in time, None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._ended, timeout_s)
            if self._ended and not self._held:
                return None
            taken = bytes(self._held)
            self._held.clear()
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """End the stream from any thread; whoever waits is released, and what is held is dropped."""
        with self._changed:
            self._ended = True
            self._held.clear()
            self._changed.notify_all()
        self._stream.close()

    def _read(self) -> None:
        try:
            for piece in self._stream:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or len(self._held) < self._most)
                    if self._ended:
                        return
                    self._held += piece
                    self._changed.notify_all()
        except RuntimeFault as fault:
            self.fault = fault
        except Exception:
            log.exception("a stream broke off")
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
