"""When to ask again, and when to stop asking for a while. Time is an argument, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RetryBudget:
    """Allows retries in proportion to calls: where everything fails, retries must not double the load.

    >>> budget = RetryBudget(ratio=0.5, most=1.0)
    >>> [budget.take(), budget.take()]
    [True, False]
    >>> budget.earn(), budget.earn(), budget.take()
    (None, None, True)
    """

    ratio: float = 0.1  # retries per call
    most: float = 10.0  # that can be saved up
    left: float | None = None

    def earn(self) -> None:
        """A call was made."""
        self.left = min(self.most, self._left() + self.ratio)

    def take(self) -> bool:
        """Whether one more retry is allowed, which then is spent."""
        allowed = self._left() >= 1
        self.left = self._left() - 1 if allowed else self._left()
        return allowed

    def _left(self) -> float:
        return self.most if self.left is None else self.left


@dataclass(slots=True)
class CircuitBreaker:
    """Opens after `most_failures` in a row; then one call is let through every `rest_seconds`, as a test.

    >>> breaker = CircuitBreaker(most_failures=2, rest_seconds=10)
    >>> breaker.failed(0.0), breaker.failed(1.0), breaker.allows(2.0)
    (None, None, False)
    >>> breaker.allows(11.0), breaker.allows(11.5)  # the test is under way
    (True, False)
    >>> breaker.succeeded(), breaker.allows(12.0)
    (None, True)
    """

    most_failures: int = 5
    rest_seconds: float = 5.0
    failures: int = 0
    next_test: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self.failures >= self.most_failures

    def allows(self, now: float) -> bool:
        """Whether to call; where it is open, only as a test."""
        if not self.is_open:
            return True
        if now < self.next_test:
            return False
        self.next_test = now + self.rest_seconds
        return True

    def succeeded(self) -> None:
        """The call gave what it should."""
        self.failures = 0

    def failed(self, now: float) -> None:
        """The call gave nothing, or not in time."""
        self.failures += 1
        if self.is_open:
            self.next_test = now + self.rest_seconds
