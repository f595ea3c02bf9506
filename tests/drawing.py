"""What a random strategy draws at all: found or not found is the same in every run."""

from hypothesis import Phase, find, settings

_LOOKED = settings(max_examples=5_000, derandomize=True, database=None, phases=[Phase.generate])


def drawn(strategy, wanted):
    """Something that the strategy gives and that is as wanted; `NoSuchExample` where it gives none."""
    return find(strategy, wanted, settings=_LOOKED)
