"""Whether a follower's target is of the log as it is: a restored log goes on otherwise than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import StoreError

if TYPE_CHECKING:
    from ringfence.follow.follower import Follower
    from ringfence.follow.roll import Roll


def check_history(roll: Roll, follower: Follower) -> None:
    """`StoreError` for a target with more than the log held when it was restored.

    Call before a follower takes anything. Once its target has passed, it may go as far as the log does.
    """
    ends = roll.unproven(follower.name)
    if ends is None:
        return
    for topic, position in sorted(follower.positions().items()):
        if position > (end := ends.get(topic, 0)):
            raise StoreError(
                f"follower {follower.name} has {topic} up to offset {position:,}, and this log was restored "
                f"to {end:,}: what it holds behind that is of the time that was lost. `ringfence followers "
                f"rebuild {follower.name}` makes it again"
            )
    roll.prove(follower.name)
