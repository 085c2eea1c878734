"""What a supervising command shows while its processes run: their deaths, their logs, the cluster at a glance."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

from ormen.cli.drawing import LiveScreen, Screen, clock
from ormen.cli.render import cluster as screens
from ormen.cli.render.text import Look
from ormen.cli.session import columns
from ormen.local.cluster import Cluster
from ormen.local.logs import WARNING, Follower, last_words, parse
from ormen.local.processes import Program
from ormen.local.state import shown
from ormen.local.supervisor import Died, GaveUp, Notice

LOGS_EVERY_S, BLOCK_EVERY_S, IDLE_S = 0.25, 2.0, 10.0


class LogView:
    """Follows the log files of processes and shows what is grave enough, each line under its process's name."""

    def __init__(self, screen: Screen, *, least: int) -> None:
        self._screen = screen
        self._least = least
        self._followers: dict[str, Follower] = {}
        self._shown: dict[str, bool] = {}

    def follow(self, programs: Mapping[str, Follower]) -> None:
        """Follow these files from now on."""
        self._followers.update(programs)

    def show(self) -> None:
        """Show what has been added. A line without a level of its own goes with the one before it."""
        wide = max((len(name) for name in self._followers), default=0)
        for name, follower in self._followers.items():
            for raw in follower.lines():
                line = parse(raw)
                if line.rank is not None:
                    self._shown[name] = line.rank >= self._least
                if self._least == 0 or self._shown.get(name):
                    self._screen.log(name, line.text, wide=wide)


class Deaths:
    """Shows what the supervisor does about the processes that end by themselves."""

    def __init__(self, screen: Screen, look: Look, *, wide: int) -> None:
        self._screen = screen
        self._look = look
        self._wide = wide

    def hear(self, notice: Notice) -> None:
        """Show a death or a surrender; a start is no news."""
        if isinstance(notice, Died):
            text = screens.died(notice.program, notice.end, notice.pause_s)
            self._screen.line(screens.log_line(clock(), notice.program.name, text, wide=self._wide))
        elif isinstance(notice, GaveUp):
            for line in self._surrender(notice.program, last_words(notice.program.log, offset=notice.log_start)):
                self._screen.line(line)

    def _surrender(self, program: Program, last: Sequence[str]) -> list[str]:
        return screens.gave_up(program, shown(program.log), last=last, look=self._look)


class Watching:
    """The view of `up`. `idle`: nobody looks, so nothing is polled and the supervisor can sleep."""

    def __init__(self, cluster: Cluster, screen: Screen, *, logs: bool, idle: bool) -> None:
        self._cluster = cluster
        self._screen = screen
        self._idle = idle
        self._live = isinstance(screen, LiveScreen)
        wide = max(len(name) for name in cluster.names)
        self._deaths = Deaths(screen, self._look(), wide=wide)
        self._logs = LogView(screen, least=0 if logs or not self._live else WARNING)
        self._begun = self._drawn = time.monotonic()
        self._quiet = self._live and not logs
        if not (idle or self._quiet):
            self._follow()
        self.hear = self._deaths.hear

    def refresh(self) -> float:
        """Show what is new and return after how many seconds to look again."""
        if self._idle:
            return IDLE_S
        if self._quiet:
            # Warnings from here on: what was said while all was starting, each waiting for another, is no news.
            self._quiet = False
            self._follow()
        self._logs.show()
        now = time.monotonic()
        if self._live and now - self._drawn >= BLOCK_EVERY_S:
            self._drawn = now
            self._draw(now)
        return LOGS_EVERY_S

    def end(self) -> None:
        """Take the block away: what follows are the steps of going down."""
        self._screen.block(())

    def _follow(self) -> None:
        files = {name: self._cluster.layout.folder.log(name) for name in self._cluster.names}
        sizes = {name: path.stat().st_size if path.exists() else 0 for name, path in files.items()}
        self._logs.follow({name: Follower(path, offset=sizes[name]) for name, path in files.items()})

    def _draw(self, now: float) -> None:
        nodes = self._cluster.probe.nodes()
        if nodes:
            tasks = self._cluster.probe.tasks(most=2000)
            lines = screens.block(nodes, tasks, up_s=now - self._begun, look=self._look())
            self._screen.block(lines)

    def _look(self) -> Look:
        # The block is cut at the terminal's width, never wrapped by it: a wrapped line would not be redrawn in place.
        return Look(columns(sys.stderr) if self._live else None, colour=self._live, now=time.time())
