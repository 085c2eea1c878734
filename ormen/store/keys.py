"""Every key ormen keeps in Redis, and nothing else knows their names.

All stand under `Settings.prefix`. The Lua scripts build the same names; `lua/common.lua` is their other half.

===========================  ===========  ========================================  ==============================
key                          type         holds                                     lives
===========================  ===========  ========================================  ==============================
cluster                      string       the cluster's random id                   for ever
task:<id>                    hash         what changes of a task, its fences, and   until removed and confirmed
                                          the ids of its latest events
spec:<id>                    hash         a submission's spec as sent, and how      until its last task is removed
                                          many tasks have it
pin:<id>                     hash         the image that a tag means for a          until its last task is removed
                                          submission, and how many tasks have it
tasks:<state>                sorted set   tasks of that state by time of creation   member: while in that state
ids                          sorted set   task ids in lexical order, for prefixes   member: until removed
names                        hash         name -> the one live task that has it     field: while it lives
past                         sorted set   name, creation and id of ended tasks,     member: until removed
                                          in lexical order
ended                        sorted set   ended tasks by the time of their end      member: 7 days, at most 100,000
pending                      sorted set   waiting tasks by the time of their next   member: while it waits
                                          try
waiting                      sorted set   waiting tasks by priority, then by their  member: while it waits
                                          creation
deadlines                    sorted set   waiting tasks by when they fail, where    member: while it waits
                                          their spec says so
scheduled                    sorted set   tasks that start, by when their agent     member: until it runs
                                          last spoke of them
counts                       hash         state -> number of tasks                  for ever
node:<n>                     hash         facts, mode, instance and use of a node   until the node is removed
nodes:view                   hash         node -> what placing needs, in one line   until the node is removed
nodes:facts                  hash         node -> labels, address … as JSON         until the node is removed
nodes:changes                sorted set   nodes by the number of their last change  until the node is removed
nodes:rev                    hash         the last change of any node, and the      for ever
                                          last after which a look must be whole
nodes:shown                  hash         node -> what it was last told to be,      until that is ready again
                                          where that is not ready
nodes:heartbeats             sorted set   nodes by time of their last heartbeat     until the node is removed
nodes:lost                   sorted set   nodes that fell silent, by when they      member: until the node speaks
                                          were declared lost; 0: it was expected    again or is removed
brake                        hash         since when a mass loss is held back, of   for ever
                                          how many nodes, and the last release
node:<n>:tasks               set          tasks that may have a container there     member: until confirmed gone
node:<n>:inbox               list         tasks whose record has changed            until the agent takes it
node:<n>:groups              hash         group -> how many of its tasks have their  field: while there are any
                                          seat on the node
apart                        hash         node and name -> how many tasks there     field: while there are any
                                          keep that task or group away
node:<n>:probes              hash         task -> time of its last check            replaced with each report
strangers                    sorted set   agents of another cluster that call here, by    30 s (TTL)
                                          time of their last heartbeat
engine:<id>:ports            hash         8080/tcp -> who holds it on which bind    field: while held
events                       stream       what happened, in order                   7 days, at most 1,000,000
loops                        hash         loop -> time of its last success          for ever
figures                      hash         how often what has happened, how long it  for ever
                                          took: what /metrics tells of the cluster
turn                         string       the next turn of round robin              for ever
tokens                       hash         token's name -> role, hash, times as JSON         field: until removed
tokens:used                  hash         token's name -> time of its last use              field: until removed
logins                       hash         registry -> user, sealed password, time as JSON           field: until removed
webhooks                     hash         webhook's name -> URL, events, secret … as JSON     field: until removed
webhook:<n>                  hash         up to which event it has been told, and   until the webhook is removed
                                          how its deliveries go
webhook:<n>:queue            sorted set   events to be delivered, by when           member: a day at most
webhook:<n>:tries            hash         event -> how often it was tried           field: a day at most
allowed                      string       the nodes that may join, as JSON          until the deck starts without -w
lease:<loop>                 string       who runs a full scan just now             seconds (TTL)
refused:<list>               string       a list whose check has found a conflict   a second (TTL)
request:<id>                 hash         something asked of an agent (logs)        60 s (TTL)
reply:<id>                   stream       the agent's answer, of a log 16 unread    60 s after its last part (TTL)
                                          parts at most
reader:<id>                  string       somebody still reads the answer           10 s (TTL)
talk:<id>                    hash         a talk with a container: what was asked   2 min from its last frame (TTL)
                                          by whom, and how far it is
talk:<id>:in                 stream       what its agent is told                    as the talk (TTL)
talk:<id>:out                stream       what its reader is told, until read       as the talk (TTL)
talk:<id>:reader             string       somebody still reads the talk             15 s (TTL)
===========================  ===========  ========================================  ==============================
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of all keys under one prefix."""

    prefix: str

    @property
    def cluster(self) -> str:
        """Return the key of the cluster's id."""
        return f"{self.prefix}cluster"

    @property
    def ids(self) -> str:
        """Return the key of all task ids in lexical order."""
        return f"{self.prefix}ids"

    @property
    def names(self) -> str:
        """Return the key of the names of live tasks."""
        return f"{self.prefix}names"

    @property
    def past(self) -> str:
        """Return the key of the names of ended tasks."""
        return f"{self.prefix}past"

    @property
    def ended(self) -> str:
        """Return the key of the ended tasks by the time of their end."""
        return f"{self.prefix}ended"

    @property
    def pending(self) -> str:
        """Return the key of the tasks that wait, by time of their next try."""
        return f"{self.prefix}pending"

    @property
    def waiting(self) -> str:
        """Return the key of the tasks that wait, the highest priority first, then the oldest."""
        return f"{self.prefix}waiting"

    @property
    def apart(self) -> str:
        """Return the key of which nodes have tasks that keep others away."""
        return f"{self.prefix}apart"

    @property
    def deadlines(self) -> str:
        """Return the key of the waiting tasks by when they fail."""
        return f"{self.prefix}deadlines"

    @property
    def scheduled(self) -> str:
        """Return the key of the tasks that start, by when their agent last spoke of them."""
        return f"{self.prefix}scheduled"

    @property
    def counts(self) -> str:
        """Return the key of the number of tasks in each state."""
        return f"{self.prefix}counts"

    @property
    def views(self) -> str:
        """Return the key of what placing needs of each node."""
        return f"{self.prefix}nodes:view"

    @property
    def facts(self) -> str:
        """Return the key of each node's facts."""
        return f"{self.prefix}nodes:facts"

    @property
    def changes(self) -> str:
        """Return the key of the nodes by the number of their last change."""
        return f"{self.prefix}nodes:changes"

    @property
    def revision(self) -> str:
        """Return the key of the number of the last change of any node."""
        return f"{self.prefix}nodes:rev"

    @property
    def shown(self) -> str:
        """Return the key of what nodes were last told to be, where that is not ready."""
        return f"{self.prefix}nodes:shown"

    @property
    def heartbeats(self) -> str:
        """Return the key of the nodes by time of their last heartbeat."""
        return f"{self.prefix}nodes:heartbeats"

    @property
    def losses(self) -> str:
        """Return the key of the nodes that fell silent, by when they were declared lost."""
        return f"{self.prefix}nodes:lost"

    @property
    def brake(self) -> str:
        """Return the key of what is known of the brake for mass loss."""
        return f"{self.prefix}brake"

    @property
    def strangers(self) -> str:
        """Return the key of the agents of another cluster that call here."""
        return f"{self.prefix}strangers"

    @property
    def events(self) -> str:
        """Return the key of the event stream."""
        return f"{self.prefix}events"

    @property
    def loops(self) -> str:
        """Return the key of the times of the loops' last success."""
        return f"{self.prefix}loops"

    @property
    def figures(self) -> str:
        """Return the key of the counters that /metrics shows."""
        return f"{self.prefix}figures"

    @property
    def turn(self) -> str:
        """Return the key of the next turn of round robin."""
        return f"{self.prefix}turn"

    @property
    def tokens(self) -> str:
        """Return the key of the access tokens."""
        return f"{self.prefix}tokens"

    @property
    def tokens_used(self) -> str:
        """Return the key of when each token was last used."""
        return f"{self.prefix}tokens:used"

    @property
    def logins(self) -> str:
        """Return the key of the registries' logins."""
        return f"{self.prefix}logins"

    @property
    def webhooks(self) -> str:
        """Return the key of the webhooks."""
        return f"{self.prefix}webhooks"

    @property
    def allowed(self) -> str:
        """Return the key of the nodes that may join."""
        return f"{self.prefix}allowed"

    def tasks(self, state: str) -> str:
        """Return the key of the tasks of one state by time of creation."""
        return f"{self.prefix}tasks:{state}"

    def task(self, task_id: str) -> str:
        """Return the key of a task's record."""
        return f"{self.prefix}task:{task_id}"

    def spec(self, spec_id: str) -> str:
        """Return the key of a submission's spec."""
        return f"{self.prefix}spec:{spec_id}"

    def pin(self, pin_id: str) -> str:
        """Return the key of what a tag means for a submission."""
        return f"{self.prefix}pin:{pin_id}"

    def node(self, name: str) -> str:
        """Return the key of a node's own hash."""
        return f"{self.prefix}node:{name}"

    def node_tasks(self, name: str) -> str:
        """Return the key of the tasks that may have a container on a node."""
        return f"{self.prefix}node:{name}:tasks"

    def inbox(self, name: str) -> str:
        """Return the key of a node's inbox."""
        return f"{self.prefix}node:{name}:inbox"

    def groups(self, name: str) -> str:
        """Return the key of how many tasks of each group have their seat on a node."""
        return f"{self.prefix}node:{name}:groups"

    def probes(self, name: str) -> str:
        """Return the key of when a node's agent last made each task's check."""
        return f"{self.prefix}node:{name}:probes"

    def ports(self, engine: str) -> str:
        """Return the key of an engine's host ports."""
        return f"{self.prefix}engine:{engine}:ports"

    def webhook(self, name: str) -> str:
        """Return the key of how a webhook's deliveries go."""
        return f"{self.prefix}webhook:{name}"

    def webhook_queue(self, name: str) -> str:
        """Return the key of the events that a webhook is to be told of."""
        return f"{self.prefix}webhook:{name}:queue"

    def webhook_tries(self, name: str) -> str:
        """Return the key of how often each of them was tried."""
        return f"{self.prefix}webhook:{name}:tries"

    def lease(self, loop: str) -> str:
        """Return the key of a loop's lease."""
        return f"{self.prefix}lease:{loop}"

    def request(self, request_id: str) -> str:
        """Return the key of something asked of an agent."""
        return f"{self.prefix}request:{request_id}"

    def reply(self, request_id: str) -> str:
        """Return the key of an agent's answer."""
        return f"{self.prefix}reply:{request_id}"

    def reader(self, request_id: str) -> str:
        """Return the key that says somebody still reads the answer."""
        return f"{self.prefix}reader:{request_id}"

    def talk(self, talk_id: str) -> str:
        """Return the key of a talk; its streams and its reader's sign stand beneath."""
        return f"{self.prefix}talk:{talk_id}"
