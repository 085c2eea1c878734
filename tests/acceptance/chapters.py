"""The examples of the help, in the order in which one person could type them, and what each must say.

A chapter begins with a cluster that has three nodes and no task, unless it starts one itself. A plain string is a line
that prepares what an example names; it is no example itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A line of the help and the words that it prints; ``then`` is typed after it in the same shell."""

    line: str
    says: str
    then: str = ""


@dataclass(frozen=True)
class Lasting(Example):
    """It goes on until Ctrl-C, which comes once it has said the words, or if it ``stays`` when the chapter ends.

    ``then`` is typed in another shell, again and again until the words are said.
    """

    stays: bool = False


@dataclass(frozen=True)
class Typed(Example):
    """It talks with a person at a terminal, who waits for the first of each pair and types the second."""

    keys: tuple[tuple[str, str], ...] = ()


Line = str | Example
AWAY = "ormen rm --force $(ormen status -q)"
CALCULATION = (("#", "echo product $((6 * 7))\n"), ("product 42", "exit\n"))
CTRL_C = "\x03"
UP = "ormen up -d --no-flower"

CLUSTERS: list[Line] = [
    Lasting("ormen up", "Ready in"),
    Lasting("ormen up --port 6555 --state-dir ~/second", "http://127.0.0.1:6555"),
    Example("ormen up -d --sailors 5", "node-1 to node-5 are ready"),
    "ormen run --name web nginx",
    Example("ormen down --keep-containers", "1 container runs on", then="docker ps --format {{.Names}} | grep web"),
    f"{UP} --sailors 5",
    Example("ormen down", "1 task is kept", then='test -z "$(docker ps -q)"'),
    UP,
    Example("ormen down --purge -y", "Forgotten: ~/.local/state/ormen.", then='test -z "$(docker ps -aq)"'),
]

DECKS: list[Line] = [
    Lasting("ormen deck --redis-url redis://:PASSWORD@10.0.0.5", "http://127.0.0.1:5555"),
    Lasting(
        "ormen deck -H 0.0.0.0 --token-file /etc/ormen/token --redis-url redis://:PASSWORD@10.0.0.5",
        "answers",
        stays=True,
    ),
    Lasting("ormen sailor --redis-url redis://:PASSWORD@10.0.0.5 --name host7", "as host7"),
    Lasting(
        "ormen sailor --redis-url redis://:PASSWORD@10.0.0.5 --label disk=ssd --label zone=eu-west",
        "joined",
        stays=True,
    ),
    "cp /etc/ormen/token prod.token; ormen context add old -m 10.0.0.9:5555",
    Example("ormen context add prod -m 10.0.0.5:5555 --token-stdin < prod.token", "prod"),
    Example("ormen context use prod", "zone=eu-west", then="ormen mast -o wide"),
    Example("ormen context ls", "10.0.0.5:5555"),
    Example("ormen context rm old", "old"),
]

RUNS: list[Line] = [
    Example("ormen run nginx -p 8080:80 --name web --health /", "http://127.0.0.1:8080"),
    Example("ormen run --count 3 --cpus 0.5 --memory 512m acme/worker:7 work --fast", "3 of 3 tasks run"),
    AWAY,
    Example("ormen run --count 3 --max-per-node 1 --spread zone --prefer disk=ssd:80 nginx", "3 of 3 tasks run"),
    AWAY,
    Example("ormen run --user 1000 --read-only --tmpfs /run --cap-drop ALL acme/api:4", "runs on"),
    "echo PGUSER=shop > db.env",
    Example("ormen run --env-file db.env --mount src=pg,dst=/data --shm-size 256m postgres", "runs on"),
    Typed("ormen run --rm -it alpine sh", "exit", keys=CALCULATION),
    AWAY,
    "printf 'tasks: [{name: web, image: nginx, count: 2, labels: {app: shop}}]' > shop.yaml",
    Example("ormen plan -f shop.yaml", "2 would start now."),
    Example("ormen run -f shop.yaml --timeout 2m", "2 of 2 tasks run"),
    Example("ormen status -l app=shop", "2 tasks: 2 running"),
    AWAY,
    Example("ormen plan -f shop.yaml && ormen run -f shop.yaml", "2 of 2 tasks run"),
    Example(
        "id=$(ormen run -d --restart no acme/report:9)", "all is well", then='ormen wait "$id" && ormen logs "$id"'
    ),
    Example("ormen run -d --deadline-wait 10m --deadline-run 1h acme/report:9", "acme/report:9", then="ormen status"),
]

LOOKS: list[Line] = [
    "ormen run --name web nginx && ormen run --name api nginx && ormen restart api",
    "ormen run --name web-1 nginx && ormen run --name web-2 nginx",
    Example("ormen status web", "running"),
    Example("ormen why web", "web runs on node-"),
    Example("ormen why web --node node-2", "node-2"),
    Example("ormen why web -o json", '"sentence"'),
    Lasting("ormen events -f", "running", then="ormen restart web"),
    Example("ormen events web", "accepted"),
    Example("ormen events node-2", "joined"),
    Example("ormen events --node node-2 --since 1h", "joined"),
    Lasting("ormen logs -f web", "serving"),
    Example("ormen logs web-1 web-2 -n 2 -t", "serving"),
    Example("ormen logs api --previous", "serving"),
    Typed("ormen top", "", keys=(("3 nodes ready", CTRL_C),)),
    Example("ormen top --sort memory --no-stream", "3 nodes ready"),
    Typed("ormen stats", "", keys=(("web-2", CTRL_C),)),
    "ormen run --name db postgres",
    Example("ormen stats web db --no-stream", "web"),
    Example("ormen stats --node node-2 -o json", '"memory_bytes"'),
    Example("ormen inspect web", '"name": "web"'),
    Example("ormen inspect web -o yaml", "name: web"),
    Example("ormen doctor", "redis"),
    Example("ormen doctor -o json | jq '.findings[] | select(.fix)'", ""),
    Example("ormen mast label node-1 disk=ssd zone-", "disk=ssd"),
    Example('eval "$(ormen completion bash)"', "_ormen_completion", then="complete -p ormen"),
    "mkdir -p ~/.config/fish/completions",
    Example("ormen completion fish > ~/.config/fish/completions/ormen.fish", "complete", then="cat ~/.config/fish/*/*"),
]

ACTIONS: list[Line] = [
    "ormen run --name web nginx && ormen run --name db postgres && ormen run --name worker-1 acme/worker:7",
    Example("ormen exec web nginx -t", "the configuration is well"),
    Typed("ormen exec -it web sh", "exit", keys=CALCULATION),
    "echo 'create table t' > dump.sql",
    Example("ormen exec -i db psql -U postgres < dump.sql", "create table t"),
    "mkdir -p site && echo hello > site/hello.html",
    Example("ormen cp web:/etc/nginx/nginx.conf .", "listen 80;", then="cat nginx.conf"),
    Example(
        "ormen cp ./site/. web:/usr/share/nginx/html", "hello", then="ormen exec web wget -qO- 127.0.0.1/hello.html"
    ),
    Example("ormen exec -u root -w /srv web ls -l", "page"),
    Example("ormen cp web:/var/log - | tar t", "log/nginx.log"),
    Example("ormen wait --for running --timeout 2m web db", "db: running"),
    Example("ormen update web --memory 1g --cpus 0.5", "updated", then="ormen inspect web | grep memory"),
    Example("ormen update web -l tier=front -l old-", "updated"),
    Example("ormen restart web", "web"),
    Example("ormen stop web worker-1", "exit code 0"),
    Example("ormen update web --name shop", "updated", then="ormen status shop"),
    "ormen run --name web nginx && ormen run -d --restart no --name old-job acme/report:9 && ormen wait old-job",
    Example("ormen rm old-job", "old-job"),
    Example("ormen rm --force web", "web"),
    "printf 'tasks: [{name: next, image: nginx}]' > next.yaml",
    "ormen run -d --restart no --name import acme/report:9",
    Example("ormen wait import && ormen run -f next.yaml", "next: runs on"),
    "ormen run -d --restart no --name broken --mount src=once,dst=/once alpine sh -c "
    "'test -e /once/again && exec stay; touch /once/again; exit 1'; ormen wait broken || true",
    Example("ormen status -q --state failed | xargs ormen retry", "broken"),
    Example("ormen prune --dry-run", "would be removed"),
    Typed("ormen prune --older-than 24h", "Nothing"),
    Example("ormen prune --images --volumes -y", "NODE"),
]

GRANTS: list[Line] = [
    Example("ormen token create ci --role operate --expires 720h", "ci may operate"),
    Example("ORMEN_TOKEN=$(ormen token create ann --role admin) ormen status", "ann may admin"),
    Example("ormen token ls", "ann"),
    Example("ormen token rm ci", "ci is removed"),
    Typed(
        "ormen registry login registry.example.com",
        "takes the login of ann",
        keys=(("Username", "ann\n"), ("Password", "secret\n")),
    ),
    "echo secret > token",
    Example("ormen registry login ghcr.io -u ann --password-stdin < token", "takes the login of ann"),
    Example("ormen registry ls", "registry.example.com"),
    Example("ormen registry logout ghcr.io", "is forgotten"),
    Example("ormen webhook add https://ops.example.com/ormen --on task.failed,node.lost", "whsec_"),
    "echo whsec_$(head -c 24 /dev/urandom | base64) > secret",
    Example("ormen webhook add http://10.0.0.9/hook --on node.lost --secret-stdin < secret", "10.0.0.9 is told"),
    Example("ormen webhook ls", "https://ops.example.com/ormen"),
    Example("ormen webhook test ops.example.com", "answered 204"),
    Example("ormen webhook rm ops.example.com", "is removed"),
]

BENCHES: list[Line] = [
    Example("ormen bench", "failover"),
    Example("ormen bench --image nginx --tasks 20", "20 tasks by one request"),
    Example("ormen bench --only start,stop --rounds 30 --node node-2", "node-2"),
    Example("ormen bench --image busybox -- sleep 600", "failover"),
    Example("ormen bench --no-docker -o json > today.json", '"throughput"', then="cat today.json"),
]

CHAPTERS = {
    "clusters": CLUSTERS,
    "decks": DECKS,
    "runs": [UP, *RUNS],
    "looks": [UP, *LOOKS],
    "actions": [UP, *ACTIONS],
    "grants": [UP, *GRANTS],
    "bench": [f"{UP} --sailors 2", *BENCHES],
}
