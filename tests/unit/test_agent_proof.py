"""Proof of consumption: when an agent takes itself for deaf."""

from __future__ import annotations

from worker_agent.proof import Proof


class Post:
    """A queue that takes messages, or not."""

    def __init__(self) -> None:
        self.works = True
        self.posts = 0
        self.restarts: list[str] = []
        self.proof = Proof(self.post, self.restarts.append, now=0.0)

    def post(self) -> bool:
        self.posts += self.works
        return self.works

    def pass_time(self, first: int, last: int, *, well: bool = True) -> None:
        for now in range(first, last):
            self.proof.step(float(now), interval_s=1.0, well=well)


def test_a_quiet_agent_posts_to_itself_and_goes_on_when_it_hears_it() -> None:
    """After five quiet intervals a message is posted; hearing it proves that all is well."""
    post = Post()
    post.pass_time(1, 6)
    assert post.posts == 1
    post.proof.heard(5.5)
    post.pass_time(6, 10)
    assert (post.posts, post.restarts) == (1, [])


def test_a_message_that_is_heard_before_its_post_returns_counts() -> None:
    """The worker may be quicker than the call that publishes."""
    restarts: list[str] = []

    def post() -> bool:
        proof.heard(5.0)
        return True

    proof = Proof(post, restarts.append, now=0.0)
    for now in range(1, 40):
        proof.step(float(now), interval_s=1.0, well=True)
    assert restarts == []


def test_an_agent_that_does_not_hear_itself_starts_anew() -> None:
    """A message of its own that was not heard within 15 s means that the agent is deaf."""
    post = Post()
    post.pass_time(1, 21)
    assert post.restarts == ["nothing heard from its own queue for 20s"]


def test_a_message_that_is_lost_restarts_nobody() -> None:
    """The agent posts again every three seconds, and hearing any of its messages proves that all is well."""
    post = Post()
    post.pass_time(1, 8)
    assert post.posts == 1
    post.pass_time(8, 18)
    assert post.posts == 5
    post.proof.heard(17.5)
    post.pass_time(18, 22)
    assert (post.posts, post.restarts) == (5, [])


def test_a_post_that_fails_does_not_count() -> None:
    """While nothing can be posted, nothing is proved."""
    post = Post()
    post.works = False
    post.pass_time(1, 100)
    assert post.restarts == []


def test_no_outage_of_redis_restarts_an_agent() -> None:
    """A message posted just before Redis went away is not waited for."""
    post = Post()
    post.pass_time(1, 7)
    assert post.posts == 1
    post.pass_time(7, 100, well=False)
    post.pass_time(100, 104)
    assert post.restarts == []


def test_the_node_says_that_it_is_deaf() -> None:
    """A node whose agent has read nothing for 15 intervals is no good."""
    post = Post()
    assert post.proof.trouble(14.0, 1.0) is None
    trouble = post.proof.trouble(16.0, 1.0)
    assert trouble is not None
    assert trouble.sentence == "Its agent has read nothing from its queue for 16s."
