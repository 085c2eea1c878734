"""The guards that keep ormen's promises, each as the change that would take it away: for `scripts/mutate`."""

# ruff: noqa: E501  # a guard's text is quoted as it stands

from __future__ import annotations

from dataclasses import dataclass

LUA = "ormen/store/lua"
STORE = ("tests/store", "tests/fundamentals")
AGENT = ("tests/unit", "tests/fundamentals")


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard: its name, the file, its text, what takes its place, and the tests that are to notice."""

    name: str
    path: str
    text: str
    broken: str
    tests: tuple[str, ...]


def lua(name: str, verb: str, text: str, broken: str) -> Guard:
    """Return a guard of the store."""
    return Guard(name, f"{LUA}/{verb}.lua", text, broken, STORE)


def agent(name: str, module: str, text: str, broken: str) -> Guard:
    """Return a guard of the agent."""
    return Guard(name, f"worker_agent/{module}.py", text, broken, AGENT)


def hook(name: str, verb: str, text: str, broken: str) -> Guard:
    """Return a guard of the webhooks."""
    return Guard(name, f"{LUA}/{verb}.lua", text, broken, ("tests/integration/test_webhooks.py",))


def policy(name: str, text: str, broken: str) -> Guard:
    """Return a guard of what specs may ask."""
    return Guard(name, "ormen/policy.py", text, broken, ("tests/unit/test_policy.py",))


GUARDS = (
    lua("report: node of the fence", "report", "t.node ~= A.node or ", ""),
    lua("report: attempt of the fence", "report", " or t.attempt ~= A.attempt", ""),
    lua("report: nothing of a tombstone", "report", "t.wanted == 'removed' or ", ""),
    lua("report: permitted transitions only", "report", "if not has(A.sources, t.state)", "if false"),
    lua("report: a stop that meets a crash", "report", "if to == 'pending' and t.wanted == 'stopped'", "if false"),
    lua("note: the fence", "note", "t.node ~= A.node or t.attempt ~= A.attempt or ", ""),
    lua("note: only while placed", "note", "not (t.state == 'scheduled' or t.state == 'running')", "false"),
    lua("pin: the fence", "pin", "t.node ~= A.node or t.attempt ~= A.attempt or ", ""),
    lua("pin: only what is to start", "pin", "t.wanted ~= 'running' or ", ""),
    lua("pin: not what has started", "pin", " or t.state ~= 'scheduled' then", " then"),
    lua("pin: only a tag that is to be settled", "pin", "not t.pin or ", ""),
    lua("pin: the first holds", "pin", "'HSETNX', pin", "'HSET', pin"),
    lua("adopt: the fence", "adopt", "t.node ~= A.node or t.attempt ~= A.attempt or ", ""),
    lua("adopt: only while placed", "adopt", "not (t.state == 'scheduled' or t.state == 'running')", "false"),
    lua("adopt: numbers never go down", "adopt", "math.max(tonumber(A.label), tonumber(A.attempt))", "tonumber(A.label)"),
    lua("assign: capacity", "assign", "if v.rcpu + cpu > v.cpu or", "if false and v.rcpu + cpu > v.cpu or false and"),
    lua("assign: pending only", "assign", "if t.state ~= 'pending' or", "if not t.state or"),
    lua("assign: wanted only", "assign", " or t.wanted ~= 'running' then", " then"),
    lua("assign: heartbeat age", "assign", "or NOW - beat > tonumber(A.suspect) then", "then"),
    lua("assign: first full pass", "assign", " or v.synced ~= '1'", ""),
    lua("assign: no node in trouble", "assign", " or v.trouble ~= '-'", ""),
    lua("assign: no drained or cordoned node", "assign", "v.mode ~= 'active' or ", ""),
    lua("assign: a port once", "assign", "if taken then", "if false then"),
    lua("assign: a wildcard takes every bind", "taking", "(wild(bind) or wild(p[4]) or bind == p[4])", "bind == p[4]"),
    lua("assign: its own seat is free", "assign", "if t.seat == a.node then reserve(v, t.need, -1) end", ""),
    lua("assign: a GPU once", "taking", "(owners[gpu] and owners[gpu] ~= id)", "false"),
    lua("assign: only the node's GPUs", "taking", "if not there or", "if"),
    lua("release: GPUs too", "common", "if t.gpus then lend(t.seat, t.id, {}) end", ""),
    lua("assign: the rules of neighbours", "assign", "if rule then", "if false then"),
    lua("assign: at most so many of a group", "neighbours", "if a.most and there >= tonumber(a.most) then", "if false then"),
    lua("assign: its own seat is none of the group", "neighbours", " or 0) - own", " or 0)"),
    lua("assign: near", "neighbours", "if a.near and not", "if false and not"),
    lua("assign: far", "neighbours", "if a.far and present", "if false and present"),
    lua("assign: far holds both ways", "neighbours", "if away[1] or away[2] then", "if false then"),
    lua("release: a neighbour that is gone", "common", "    beside(t.seat, t.here or '', -1)\n", ""),
    lua("release: once", "common", "unset(t, 'seat', 'engine', 'here')", ""),
    lua("release: ports of the engine they came from", "common", "t.engine or v.engine", "v.engine"),
    lua("every change has its event", "events", "  happened(t, kind, { from", "  local _ = ({ from"),
    lua("the record names every event", "events", "  fields.events = known", "  local _ = known"),
    lua("no more names than a record may hold", "events", "if #known > MOST then", "if false then"),
    lua("remove: the tombstone", "ending", "if #left > 0 then", "if false then"),
    lua("remove: only with force while live", "remove", "if live and A.force ~= '1'", "if false"),
    lua("knock: no unknown node's inbox", "common", "if not raw or", "if raw and"),
    lua("confirm: not while it has a seat", "confirm", "if t.seat == A.node and t.wanted ~= 'removed' then return 0 end", ""),
    lua("confirm: only the last erases", "confirm", "if #rest == 0 then erase(t) end", "erase(t)"),
    lua("create: one live task a name", "create", "if holder then", "if false then"),
    lua("create: one content an id", "create", "held[1] == n.digest and ", ""),
    lua("create: no id of a tombstone", "create", " and held[2] ~= 'removed'", ""),
    lua("restart: one live task a name", "restart", "if holder and holder ~= t.id then", "if false then"),
    lua("evict: asked once an attempt", "evict", " and t.restart ~= t.attempt", ""),
    lua("join: a name belongs to an engine", "join", "v.engine ~= A.engine and", "false and"),
    lua("join: a lost node's name is free", "join", " and beat and NOW - beat < tonumber(A.lost)", ""),
    lua("join: nothing before the first pass", "join", "v.synced, v.trouble, v.lost, v.engine = '0'", "v.synced, v.trouble, v.lost, v.engine = '1'"),
    lua("heartbeat: another cluster", "heartbeat", "local ours = redis.call('GET', P .. 'cluster') == A.cluster", "local ours = true"),
    lua("heartbeat: a replaced instance", "heartbeat", "if h[1] ~= A.instance then", "if false then"),
    lua("take: a replaced instance", "take", "~= A.instance then return {} end", "== '' then return {} end"),
    lua("synced: a replaced instance", "synced", "~= A.instance then", "== '' then"),
    lua("leave: a replaced instance", "leave", "~= A.instance then", "== '' then"),
    lua("begin: liveness forgets over a gap", "begin", "(NOW - began > 2000 or began > NOW)", "(began > NOW)"),
    lua("begin: liveness forgets when the clock steps", "begin", "(NOW - began > 2000 or began > NOW)", "(NOW - began > 2000)"),
    lua("begin: a tick too many", "begin", "if began <= NOW and NOW - began < A.interval * 0.8 then", "if false then"),
    lua("lose: liveness's memory", "lose", "redis.call('HGET', P .. 'loops', 'since') or 0)", "0)"),
    lua("lose: the ages are read again", "lose", "if not silent and not (", "if false and not ("),
    lua("lose: only its own tasks", "lose", "if t.node == A.node and (", "if ("),
    lua("lose: no tombstone", "lose", " and t.wanted ~= 'removed' then", " then"),
    lua("lose: the brake holds", "lose", "if stopped or not held then", "if true then"),
    lua("stall: a silent node is left to lose", "stall", "spoke and not silent and", "spoke and"),
    lua("stall: only what is silent", "stall", " and NOW - spoke > tonumber(A.age)", ""),
    lua("stall: not what is to be stopped", "stall", " and t.wanted == 'running' then", " then"),
    lua("forget: no node with tasks", "forget", "if v.lost ~= '1' and v.tasks > 0 then", "if false then"),
    lua("forget: no lost node with tasks", "forget", "(t.state == 'scheduled' or t.state == 'running') then return", "false then return"),
    lua("forget: seats are given back", "forget", "if t.seat == A.node then release(t) end", ""),
    lua("prune: not what was started again", "prune", "if at and tonumber(at) <= tonumber(A.before) then", "if true then"),
    lua("sweep: no ports of a seat", "sweep", " and not held(engine)", ""),
    lua("update: made of the spec as it is", "update", "if t.spec ~= A.was then", "if false then"),
    lua("update: one live task a name", "update", "if live and holder and holder ~= t.id then", "if false then"),
    lua("update: capacity", "update", " and v['r' .. word] > v[word] then", " and false then"),
    lua("update: nothing of a tombstone", "update", " or t.wanted == 'removed' then", " then"),
    lua("note: only as it was read", "note", "if A.rev and t.rev ~= A.rev then return 0 end", ""),
    lua("note: no late change", "note", "if A.resize and t.resize ~= A.resize then return 0 end", ""),
    lua("wait: only what waits", "wait", "if t.state ~= 'pending' or t.wanted ~= 'running' then", "if not t.state then"),
    lua("wait: no late look", "wait", "if t.attempt ~= A.attempt then return 0 end", ""),
    lua("expire: only what waits", "expire", "if t.state == 'pending' and t.wanted == 'running' and", "if"),
    lua("expire: only what has waited so long", "expire", " and NOW >= tonumber(t.until_ms) then", " then"),
    lua("queue: a refused start begins no wait anew", "common", "if anew or not t.until_ms then", "if true then"),
    lua("show: no late judge", "show", "if A.heard and", "if false and"),
    lua("talk: the fence", "talk", " or t.node ~= A.node or t.attempt ~= A.attempt then", " then"),
    lua("talk: one content an id", "talk", "return same and 'KNOWN' or 'OTHER'", "return 'KNOWN'"),
    lua("pick: claimed once", "pick", "if k[1] ~= 'asked' then", "if false then"),
    lua("pick: the node's own agent", "pick", "k[3] ~= A.node or redis.call('HGET', P .. 'node:' .. A.node, 'instance') ~= A.instance", "false"),
    lua("pick: not what nobody waits for", "pick", "if redis.call('EXISTS', key .. ':reader') == 0 then", "if false then"),
    lua("pick: the fence", "pick", "or not string.find(k[8], t.state, 1, true) then", "then"),
    lua("withdraw: not what was claimed", "withdraw", "if state ~= 'asked' then return 0 end", ""),
    lua("tell: once", "tell", "if seq + i > due then", "if true then"),
    lua("tell: in order", "tell", "if seq > due then", "if false then"),
    lua("tell: the window", "tell", "if unread > 0 and", "if false and"),
    lua("attend: who hung up does not come back", "attend", "k[2] and 0 or ", ""),
    Guard("inside: a number of this container alone", "worker_agent/inside.py", "return container_id in Path", "return True or container_id in Path", ("tests/unit/test_agent_inside.py",)),
    Guard("cp: nothing is written elsewhere", "ormen/client_copy.py", "if not real.is_relative_to(os.path.realpath(where)):", "if False:", ("tests/unit/test_client_copy.py",)),
    Guard("talks: the caller's own", "manager_api/routes/talks.py", "if found.by != caller().name:", "if False:", ("tests/integration/test_api_talks.py",)),
    hook("gather: the cursor", "gather", "redis.call('HSET', key, 'cursor', cursor)", ""),
    hook("gather: no more than may wait", "gather", "if room <= 0 then return 0 end", ""),
    hook("gather: what was long ago", "gather", "if NOW - string.match(row[1], '^%d+') > tonumber(A.keep) then", "if false then"),
    hook("claim: one at a time", "claim", "int(NOW + A.lease)", "int(NOW)"),
    hook("claim: not before it is due", "claim", "'-inf', int(NOW), 'LIMIT'", "'-inf', '+inf', 'LIMIT'"),
    hook("settle: a late failure", "settle", "if A.ok ~= '1' and redis", "if false and redis"),
    hook("settle: a webhook that is gone", "settle", "if not redis.call('ZSCORE', key .. ':queue', A.event) then", "if false then"),
    hook("settle: given up after a day", "settle", "<= tonumber(A.keep) then", "<= 1e18 then"),
    agent("owns: the cluster", "station", "(container.cluster, container.node, container.task) == (self.cluster, self.node, task_id)", "(container.node, container.task) == (self.node, task_id)"),
    agent("owns: the node", "station", "(container.cluster, container.node, container.task) == (self.cluster, self.node, task_id)", "(container.cluster, container.task) == (self.cluster, task_id)"),
    agent("owns: the task", "station", "(container.cluster, container.node, container.task) == (self.cluster, self.node, task_id)", "(container.cluster, container.node) == (self.cluster, self.node)"),
    agent("sync: only this node's containers", "sync", "if item.node == self._station.node and item.task", "if item.task"),
    agent("sync: an orphan is left", "sync", "self._controller.ignore(task_id, container)", "self._station.runtime.remove(container.id)"),
    agent("sync: silence makes the next pass full", "sync", 'log.debug("sync: %s", fault)\n            self._full_due = True', 'log.debug("sync: %s", fault)'),
    agent("frozen: nothing is looked at", "controller", "if self.frozen:", "if False:"),
    agent("frozen: the inbox is left", "agent", "if self.controller.frozen:\n            return tickets", "if False:\n            return tickets"),
    agent("frozen: another cluster", "agent", "ours = self.station.store.cluster() == self.station.cluster", "ours = True"),
    agent("store away: looked at again", "controller", "self._unsettled.add(task_id)\n        return word", "return word"),
    agent("request: claimed once", "requests", "if not self._station.store.claim(request.id):", "if False:"),
    agent("name: a foreign holder is refused", "starting", "if holder.cluster != self._station.cluster or holder.task != task.id:", "if False:"),
    agent("name: the cluster of the holder", "starting", "holder.cluster != self._station.cluster or ", ""),
    agent("name: only this node's is adopted", "starting", "if here and holder.running and", "if holder.running and"),
    agent("name: only what runs is adopted", "starting", "if here and holder.running and", "if here and"),
    agent("name: only the same spec is adopted", "starting", " and self._is_as_asked(spec, plan, holder)", ""),
    agent("name: what a change does not touch is the same", "starting", "if holder.fixed_hash is None or holder.fixed_hash != plan.labels[docker_args.FIXED]:", "if False:"),
    agent("change: told once its limits are set", "duties", " and not task.resize", ""),
    agent("name: only this attempt's end is judged", "starting", " and holder.attempt == task.attempt:", ":"),
    agent("name: the record is read again", "starting", "if fresh is None or (", "if False and ("),
    agent("start: a refused one leaves nothing", "starting", "except StartRefused as fault:\n            self.", "except StartRefused as fault:\n            0 and self."),
    agent("start: late news is looked at again", "starting", 'return Step("late", outcome.task or task, container, again=True)', 'return Step("late", outcome.task or task, container)'),
    agent("pin: another image is not started", "starting", "if not self._settled(task, spec):", "if not self._settled(task, spec) and False:"),
    agent("pin: a later attempt follows it", "pinning", "if task.pin else spec.image", "if False else spec.image"),
    Guard("pin: never pull, never resolve", "ormen/image_pin.py", 'pull == "never" or ', "", AGENT),
    Guard("pin: one for the tag, however it is named", "ormen/image_pin.py", '*parts(image)', "image", AGENT),
    Guard("pin: one for the submission", "manager_api/submission.py", "pin_id(items[0].id, ", "pin_id(item.id, ", AGENT),
    Guard("submit: no other task's spec", "manager_api/submission.py", ": uuid.uuid4().hex for item in items", ": item.id for item in reversed(items)", AGENT),
    agent("pin: its image is needed", "images", "for ref in task.images}", "for ref in task.images[:1]}"),
    agent("pull: the fence after it", "starting", "if self._pulls.waits(task):", "if False:"),
    agent("evidence: a signal of somebody else", "evidence", "if heard.killed_ms is not None and", "if False and"),
    agent("evidence: harmless signals", "evidence", "and event.signal not in HARMLESS", ""),
    agent("evidence: our own signals", "evidence", "if heard.expected:", "if False:"),
    agent("evidence: an engine that stopped", "evidence", "if self._in_gap(container.finished_ms, now_ms):", "if False:"),
    agent("evidence: not before the event", "evidence", "return Verdict(now_ms - heard.first_seen_ms >= PATIENCE_MS)", "return Verdict(True)"),
    agent("evidence: not while deaf", "evidence", "if not self._connected:", "if False:"),
    agent("evidence: an old container's events", "evidence", 'self._heard[event.container_id] = Heard(expected=heard.expected)', "pass"),
    agent("judgement: only own ends spend", "judgement", "spends=again.reason.code in SPENDS", "spends=True"),
    agent("judgement: ten good minutes forget", "judgement", "0 if again.ran_s >= FORGOTTEN_AFTER_S else task.delays", "task.delays"),
    agent("judgement: ports of the host's network stay on record", "judgement", 'None if container.network_mode == "host" else container.ports', "container.ports"),
    agent("judgement: the policy's number", "judgement", "if spec.restart.allows(exit_code=code, spent=task.tries):", "if spec.restart.allows(exit_code=code, spent=0):"),
    agent("duty: a pending task's container is kept", "duties", "return Duty.KEEP if task.state is State.PENDING else Duty.REST", "return Duty.REST"),
    agent("duty: another node's task is cleared", "duties", "if task.node != node:\n        return Duty.CLEAR", "if task.node != node:\n        return Duty.KEEP"),
    agent("duty: a restart names its attempt", "duties", "task.restart and task.restart == task.attempt", "task.restart"),
    agent("duty: the very container", "duties", " and container.id == task.container_id", ""),
    agent("health: not while we end it", "probing", "if self._watched.get(item.task_id) is not item or", "if False and"),
    agent("health: an older attempt's check", "controller", "return task.fence == (self._station.node, attempt) and", "return"),
    agent("deadline: not before its time", "controller", "or ran_s(container, self._station.wall_ms()) < longest_s:", "or False:"),
    agent("deadline: it fails for good though its agent was away", "judgement", "if longest_s is not None and end.ran_s >= longest_s:", "if False:"),
    agent("lanes: one at a time for a task", "lanes", "if place is None or place.running or", "if place is None or"),
    agent("proof: only a post that succeeded", "proof", "if not self._post():", "if not self._post() and False:"),
    agent("proof: not while Redis is away", "proof", "if not well:", "if False:"),
    agent("heartbeat: Redis back makes a full pass", "heartbeat", "self._hooks.back()", "pass"),
    agent("heartbeat: a new connection makes a full pass", "heartbeat", "elif not renewed:", "else:"),
    agent("sync: news of a stray container is noticed", "sync", "if due or self._strays_changed(listed):", "if due:"),
    agent("heartbeat: a replaced agent ends", "heartbeat", "if answer.replaced:", "if False:"),
    policy("policy: images", "if not any(allows_image(rule, spec.image) for rule in self.images):", "if False:"),
    policy("policy: privileged", "if spec.privileged and self.privileged != ALWAYS:", "if False:"),
    policy("policy: the host's network", "if spec.on_host_network and self.host_network != ALWAYS:", "if False:"),
    policy("policy: capabilities", "if not self.allows_capability(name):", "if False:"),
    policy("policy: devices", "if not _beneath(device.host, self.devices):", "if False:"),
    policy("policy: sysctls", "if not _fits(name, self.sysctls):", "if False:"),
    policy("policy: security options", "if option not in TIGHTENING and", "if False and"),
    policy("policy: log drivers", "if spec.log is not None and", "if False and"),
    policy("policy: a digest is not its tag", "(not digest and fnmatchcase", "(fnmatchcase"),
    policy("policy: the registry by itself", "if not fnmatchcase(registry, wanted_registry):", "if False:"),
    Guard("options: only what is asked is in the hash", "worker_agent/docker_options.py", "if value is not None}", "}", ("tests/contract/test_docker_args.py",)),
    agent("heartbeat: only who is heard has replaced it", "agent", "elif heard_ms > self._successor[0]:", "elif True:"),
    Guard("context: its token goes to its deck alone", "ormen/cli/session.py", "return Place(url, os.environ.get(\"ORMEN_TOKEN\") or None) if url", "return Place(url, self._of_context().token) if url", ("tests/unit/test_cli_context.py",)),
    Guard("context: the file is its owner's", "ormen/contexts.py", "os.fchmod(file.fileno(), 0o600)", "os.fchmod(file.fileno(), 0o644)", ("tests/unit/test_cli_context.py",)),
    Guard("token: an expired one is refused", "manager_api/auth.py", "if token.expired(now_ms):", "if False:", ("tests/integration/test_api_tokens.py",)),
    Guard("token: its role counts", "manager_api/auth.py", "    if caller.role.covers(role):", "    if True:", ("tests/unit/test_roles.py",)),
    Guard("token: a change is the admin's unless a row says so", "manager_api/roles.py", "rule is None else Role.ADMIN", "rule is None else Role.OPERATE", ("tests/unit/test_roles.py",)),
    Guard("token: the list is read again", "manager_api/known_tokens.py", "self._clock() - self._read_at >= FRESH_S or ", "", ("tests/integration/test_api_tokens.py",)),
    Guard("token: kept as a hash", "ormen/tokens.py", "return hashlib.sha256(secret.encode()).hexdigest()", "return secret", ("tests/integration/test_api_tokens.py",)),
    Guard("login: no fault repeats what was sent", "manager_api/routes/registries.py", "replace(fault, value=None)", "fault", ("tests/integration/test_api_registries.py",)),
    Guard("login: what a registry refuses is not kept", "manager_api/logins.py", 'if said["code"] == Code.PULL_AUTH.value:', "if False:", ("tests/integration/test_api_registries.py",)),
    Guard("login: sealed before it is kept", "ormen/sealing.py", "if not self._keys:\n            return _PLAIN + text", "if True:\n            return _PLAIN + text", ("tests/unit/test_sealing.py", "tests/integration/test_api_registries.py")),
    Guard("login: no pull without a sealed one", "worker_agent/pulls.py", "refusal = login_sealed(registry_of(image), str(fault))", "runtime.pull(image)", ("tests/unit/test_agent_logins.py",)),
    Guard("request: not once nobody waits", "ormen/store/replies.py", "return bool(read and first)", "return bool(first)", ("tests/unit/test_agent_logs.py",)),
)  # fmt: skip
