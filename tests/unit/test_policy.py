from pathlib import Path
from typing import Any

import pytest

from ormen.errors import PolicyForbids
from ormen.policy import DOCKERS_CAPABILITIES, SAFE_SYSCTLS, Policy, allows_image
from ormen.policy_file import RULES, PolicyUnreadable, load_policy
from ormen.resolving import load
from ormen.schema import load_submission

ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"


def _write(folder: Path, text: str) -> str:
    file = folder / "policy.yaml"
    file.write_text(text)
    return str(file)


def refusal(policy: Policy, *bodies: dict[str, Any]) -> PolicyForbids:
    body = [{"image": "nginx", **fields} for fields in bodies]
    with pytest.raises(PolicyForbids) as caught:
        load_submission(body if len(body) > 1 else body[0], policy=policy, new_id=lambda: ID)
    return caught.value


def test_without_a_file_nothing_beyond_the_container_is_allowed() -> None:
    """The default policy allows no host path."""
    assert load_policy(None) == Policy()
    assert not Policy().allows_host_path("/srv")


def test_a_path_and_what_lies_beneath_it_is_allowed(tmp_path: Path) -> None:
    """A rule allows its folder and everything in it, and nothing that merely begins alike."""
    policy = load_policy(_write(tmp_path, "host_paths: [/srv/data/, /opt]\n"))
    assert policy.allows_host_path("/srv/data")
    assert policy.allows_host_path("/srv/data/a/b")
    assert not policy.allows_host_path("/srv/database")
    assert not policy.allows_host_path("/srv/data/../../etc")
    assert not policy.allows_host_path("//etc")


ASKS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"privileged": True}, "privileged containers (privileged: never)", "privileged: always"),
    ({"network": "host"}, "the host's network (host_network: never)", "host_network: always"),
    ({"cap_add": ["NET_ADMIN"]}, "the capability NET_ADMIN (cap_add: none)", "cap_add: [net_admin]"),
    ({"cap_add": ["ALL"]}, "the capability ALL (cap_add: none)", "cap_add: [ALL]"),
    ({"devices": [{"host": "/dev/dri/card0"}]}, "the device /dev/dri/card0 (devices: none)", "devices: [/dev/dri]"),
    ({"sysctls": {"net.core.somaxconn": 9}}, "the sysctl net.core.somaxconn (sysctls: the safe ones)",
     "sysctls: [net.*]"),
    ({"security_opt": ["seccomp=unconfined"]}, "the security option seccomp=unconfined (security_opt: none)",
     "security_opt: [seccomp=*]"),
    ({"log": {"driver": "syslog"}}, "the log driver syslog (log_drivers: json-file, local, none)",
     "log_drivers: [syslog]"),
    ({"volumes": [{"host": "/etc", "target": "/x"}]}, "the host path /etc (host_paths: none)", "host_paths: [/]"),
)  # fmt: skip
"""What reaches beyond the container, how the default refuses it, and the line that allows it."""


@pytest.mark.parametrize(("fields", "said", "line"), ASKS, ids=[line.partition(":")[0] for _, _, line in ASKS])
def test_each_thing_needs_its_rule(tmp_path: Path, fields: dict[str, Any], said: str, line: str) -> None:
    """Without the rule it is refused with thing, rule and place; with it, and with no other, it is allowed."""
    error = refusal(Policy(), fields)
    assert (error.sentence, error.code, error.http_status) == (f"policy forbids {said}", "POLICY", 403)
    assert [(fault.code, fault.detail, fault.path[0]) for fault in error.faults] == [
        ("POLICY", said, next(iter(fields)))
    ]
    policy = load_policy(_write(tmp_path, line + "\n"))
    assert not list(policy.refused(load({"image": "nginx", **fields})))
    others = [other for other, _, _ in ASKS if other.keys() != fields.keys()]
    assert all(list(policy.refused(load({"image": "nginx", **other}))) for other in others)


def test_everything_that_is_forbidden_is_named_at_once() -> None:
    """All tasks, all things, each with its rule and its place; things of one rule stand together."""
    volumes = [{"host": "/etc", "target": "/x"}, {"host": "/srv/a", "target": "/y"}]
    error = refusal(Policy(("/srv",)), {"privileged": True, "volumes": volumes}, {"cap_add": ["BPF", "SYSLOG", "KILL"]})
    assert error.sentence == (
        "policy forbids privileged containers (privileged: never), the host path /etc (host_paths: /srv)"
        " and the capabilities BPF, SYSLOG (cap_add: none)"
    )
    assert [fault.pointer for fault in error.faults] == [
        "/0/privileged", "/0/volumes/0/host", "/1/cap_add/0", "/1/cap_add/1",
    ]  # fmt: skip


def test_the_hint_says_what_is_allowed_instead() -> None:
    """For a privileged container the first capability that may be added, for a host path a named volume."""
    assert refusal(Policy(cap_add=("NET_ADMIN",)), {"privileged": True}).hint == (
        "--cap-add NET_ADMIN is allowed; an admin sets the rules on the deck"
    )
    path = {"volumes": [{"host": "/etc", "target": "/x"}]}
    assert refusal(Policy(), path).hint == "an admin sets the rules on the deck; a named volume needs none"
    assert refusal(Policy(), {"network": "host"}).hint == "an admin sets the rules on the deck"


def test_what_gives_nothing_new_needs_no_rule() -> None:
    """Docker's usual capabilities, safe sysctls, no-new-privileges, every drop and every named network pass."""
    harmless = {
        "cap_add": list(DOCKERS_CAPABILITIES), "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
        "sysctls": dict.fromkeys(SAFE_SYSCTLS, 0), "network": "backend", "log": {"driver": "local"}, "user": "0",
    }  # fmt: skip
    assert not list(Policy().refused(load({"image": "nginx", **harmless})))
    assert len(list(Policy().refused(load({"image": "nginx", "security_opt": ["no-new-privileges:false"]})))) == 1


@pytest.mark.parametrize(
    ("rule", "image", "allowed"),
    [
        ("*", "any.example/thing:1", True), ("nginx", "nginx:1.28", True), ("nginx", "nginx:latest", True),
        ("nginx", "docker.io/library/nginx:1", True), ("docker.io/library/nginx", "nginx:1", True),
        ("nginx", "acme/nginx:1", False), ("nginx", "evil.example/nginx:1", False), ("nginx", "nginx2:1", False),
        ("nginx:1.*", "nginx:1.28", True), ("nginx:1.*", "nginx:2", False), ("nginx:1.28", "nginx:1.28-alpine", False),
        ("acme/*", "acme/api:4", True), ("acme/*", "acme2/api:4", False), ("acme/*", "r.example/acme/api:4", False),
        ("r.example.com/*", "r.example.com/team/app:1", True),
        ("r.example.com/*", "r.example.com.evil.net/app:1", False),
        ("*.example.com/*", "eu.example.com/a/b:1", True), ("*.example.com/*", "evil.net/x.example.com/b:1", False),
        ("localhost:5000/*", "localhost:5000/a:1", True), ("localhost:5000/*", "localhost:5001/a:1", False),
        ("nginx", "nginx@sha256:" + "a" * 64, True), ("nginx:1.28", "nginx:1.28@sha256:" + "a" * 64, False),
        ("nginx@sha256:*", "nginx:1.28@sha256:" + "a" * 64, True), ("nginx@sha256:*", "nginx:1.28", False),
        ("*/app", "r.example.com/app:1", False), ("r.example.com/app:*", "r.example.com/app:1", True),
    ],
)  # fmt: skip
def test_images_are_compared_as_docker_reads_them(rule: str, image: str, allowed: bool) -> None:
    """Names without a registry are Docker Hub's, on both sides; a digest is not its tag."""
    assert allows_image(rule, load({"image": image}).image) is allowed


def test_an_image_outside_the_list_is_refused() -> None:
    """The image is named as it will be pulled, with the rule."""
    error = refusal(Policy(images=("acme/*", "postgres")), {"image": "nginx"}, {"image": "acme/a"}, {"image": "x/y:1"})
    assert error.sentence == "policy forbids the images nginx:latest, x/y:1 (images: acme/*, postgres)"
    assert [fault.pointer for fault in error.faults] == ["/0/image", "/2/image"]


def test_every_fault_of_the_file_is_named(tmp_path: Path) -> None:
    """Unknown keys, wrong types, bad values and relative paths are all named at once, with what was meant."""
    text = (
        "host_path: x\nhost_paths: [5, srv, /ok]\nprivileged: true\nhost_network: sometimes\n"
        "cap_add: [NET_ADMN]\nimages: nginx\n"
    )
    with pytest.raises(PolicyUnreadable) as caught:
        load_policy(_write(tmp_path, text))
    assert caught.value.faults == (
        "host_path: unknown key; did you mean host_paths?",
        'host_paths[0]: must be a string, not a number; quote it: "5"',
        'host_paths[1]: "srv" is not an absolute path',
        "privileged: must be never or always, not a boolean; did you mean always?",
        'host_network: "sometimes" is not one of never, always',
        'cap_add[0]: "NET_ADMN" is no capability of Linux; did you mean NET_ADMIN?',
        'images: must be a list, not a string; write it as a list: ["nginx"]',
    )


@pytest.mark.parametrize(
    "text", ["- a\n", "host_paths: /srv\n", "host_paths: [\n", "\x00", "devices: [a]\ndevices: []\n"]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """What is no map, or no YAML, or has a key twice, is refused with the file's name."""
    with pytest.raises(PolicyUnreadable, match=r"policy\.yaml"):
        load_policy(_write(tmp_path, text))


def test_a_missing_file_is_refused_and_an_empty_one_is_the_default(tmp_path: Path) -> None:
    """A policy file that was named must be there; an empty one, and an empty key, add nothing."""
    with pytest.raises(PolicyUnreadable, match="cannot be read"):
        load_policy(str(tmp_path / "none.yaml"))
    assert load_policy(_write(tmp_path, "")) == Policy()
    assert load_policy(_write(tmp_path, "".join(f"{key}:\n" for key in RULES))) == Policy()
