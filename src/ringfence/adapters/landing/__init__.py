"""The landing zone: events and decisions as files of a data lake, in a folder or on S3.

log ──► LandingFollower.take(topic, batches) ──► plan, a file for each day, manifest
"""

from ringfence.adapters.landing.follower import LandingFollower
from ringfence.adapters.landing.place import Place, open_place

__all__ = ["LandingFollower", "Place", "open_place"]
