"""What is decoded once for as long as it stays the same."""

from ormen.store.records import Decoded


def test_a_text_is_decoded_again_only_when_it_has_changed() -> None:
    """The same text gives the same object, another text what that says."""
    decoded = Decoded()
    first = decoded.of("n1", "facts", '{"cpu": 1}')
    assert decoded.of("n1", "facts", '{"cpu": 1}') is first
    assert decoded.of("n1", "facts", '{"cpu": 2}') == {"cpu": 2}
    assert decoded.of("n2", "facts", None) == decoded.of("n1", "beat", None) == {}


def test_nodes_that_are_gone_are_forgotten() -> None:
    """However many nodes come and go, what is kept is bounded by those that are there."""
    decoded = Decoded()
    for number in range(1000):
        decoded.of(f"n{number}", "facts", '{"cpu": 1}')
        decoded.keep({f"n{number}"})
    assert len(decoded._known) < 200
