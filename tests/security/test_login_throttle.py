"""How guessing a password is slowed down, decided with a clock in the hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed.studio.security.login_throttle import LoginThrottle, Rate, address_of


def test_a_few_tries_are_free_and_each_further_one_waits() -> None:
    throttle = LoginThrottle(each=Rate(3, 10.0))
    table = [
        (0.0, 0),
        (0.1, 0),
        (0.2, 0),
        (0.3, 9.7),
        (5.0, 5.0),
        (10.0, 0),
        (10.1, 9.9),
        (40.0, 0),
    ]
    for now, wait in table:
        assert throttle.wait("a", now) == pytest.approx(wait), now


def test_a_refused_try_does_not_make_the_wait_longer() -> None:
    throttle = LoginThrottle(each=Rate(1, 10.0))
    assert throttle.wait("a", 0.0) == 0
    assert [throttle.wait("a", float(now)) for now in range(1, 10)] == list(range(9, 0, -1))
    assert throttle.wait("a", 10.0) == 0


def test_the_right_password_after_the_wait_ends_it() -> None:
    throttle = LoginThrottle(each=Rate(2, 10.0))
    assert [throttle.wait("a", 0.0) > 0 for _ in range(3)] == [False, False, True]
    assert throttle.wait("a", 10.0) == 0
    throttle.succeeded("a")
    assert [throttle.wait("a", 10.0) > 0 for _ in range(3)] == [False, False, True]


def test_another_address_is_not_held_up() -> None:
    throttle = LoginThrottle(each=Rate(1, 10.0))
    assert throttle.wait("a", 0.0) == 0
    assert throttle.wait("a", 0.0) > 0
    assert throttle.wait("b", 0.0) == 0


def test_a_thousand_addresses_together_wait_as_well() -> None:
    throttle = LoginThrottle(everyone=Rate(60, 1.0))
    tried = sum(throttle.wait(f"address {n % 1000}", n / 250) == 0 for n in range(250 * 60))
    assert tried <= 60 + 60


def test_the_addresses_that_are_kept_are_bounded() -> None:
    throttle = LoginThrottle(everyone=Rate(10**6, 0.0), most_addresses=100)
    for number in range(1000):
        throttle.wait(str(number), 0.0)
    assert len(throttle._due) == 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), max_size=60))
def test_nobody_gets_more_tries_than_the_rate_says(steps: list[tuple[str, float]]) -> None:
    throttle, now = LoginThrottle(each=Rate(4, 5.0)), 0.0
    tried: dict[str, list[float]] = {}
    for address, pause in steps:
        now += pause
        if throttle.wait(address, now) == 0:
            tried.setdefault(address, []).append(now)
    for times in tried.values():
        for first, last in zip(times, times[4:], strict=False):
            assert last - first >= 5.0 - 1e-6


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("8.8.8.8", "", "8.8.8.8"),
        ("8.8.8.8", "198.51.100.1", "8.8.8.8"),  # Anybody can send that.
        ("10.0.0.2", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.2", "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # Its proxy adds to the end.
        ("127.0.0.1", "", "127.0.0.1"),
        ("10.0.0.2", "nonsense", "10.0.0.2"),
        ("2001:db8::1:2:3:4", "", "2001:db8::"),
        ("", "", ""),
    ],
)
def test_a_try_counts_against_who_is_behind_the_proxy(
    client: str, forwarded: str, address: str
) -> None:
    assert address_of(client, forwarded) == address
