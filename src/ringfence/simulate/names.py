"""What things are called: the numbers of the world as ids that look alike for the honest and for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.simulate.categories import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_TRANSACTION_DIGITS: Final = 9
_GIVEN: Final = [
    "anna",
    "ben",
    "clara",
    "david",
    "emma",
    "finn",
    "greta",
    "hugo",
    "ida",
    "jonas",
    "klara",
    "leo",
    "mia",
    "noah",
    "olga",
    "paul",
]
_FAMILY: Final = [
    "adler",
    "berger",
    "czerny",
    "dietz",
    "ebner",
    "fuchs",
    "graf",
    "huber",
    "iten",
    "jansen",
    "keller",
    "lang",
    "novak",
]
_BRANDS: Final = [
    "alder",
    "beacon",
    "cedar",
    "dune",
    "ember",
    "falcon",
    "garnet",
    "harbor",
    "iris",
    "kestrel",
    "linden",
    "maple",
    "north",
]


def numbered(prefix: str, numbers: NDArray[Any], digits: int) -> pa.Array:
    """Text of whole numbers >= 0 behind a prefix, zeros in front.

    >>> numbered("cus-", np.array([7, 123456]), 5).to_pylist()
    ['cus-00007', 'cus-123456']
    """
    rows, width = len(numbers), len(prefix) + digits
    if rows and int(numbers.max()) >= 10**digits:
        return pa.array([f"{prefix}{number:0{digits}}" for number in numbers.tolist()], pa.string())
    text = np.empty((rows, width), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    rest = numbers.astype(np.int64)
    for at in range(width - 1, len(prefix) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        text[:, at] = digit + 48
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def transaction_ids(numbers: NDArray[Any]) -> pa.Array:
    """Ids of payments."""
    return numbered("tx-", numbers, _TRANSACTION_DIGITS)


class PersonNames:
    """Names of things that are issued in turn; made once, however often they are used."""

    def __init__(self, name: Callable[[NDArray[np.int64]], pa.Array]) -> None:
        self._name = name
        self._all = pa.array([], pa.string())

    def upto(self, count: int) -> pa.Array:
        """Names of the first `count` things, at least."""
        have = len(self._all)
        if count > have:
            fresh = self._name(np.arange(have, count + count // 20))
            self._all = pa.concat_arrays([self._all, fresh])
        return self._all


def people(numbers: NDArray[np.int64]) -> pa.Array:
    """Names for people.

    >>> people(np.array([42])).to_pylist()
    ['Klara Dietz']
    """
    given = pa.array([name.title() for name in _GIVEN]).take(pa.array(numbers % len(_GIVEN)))
    family = pa.array([name.title() for name in _FAMILY]).take(pa.array(numbers % len(_FAMILY)))
    return pc.binary_join_element_wise(given, family, " ")


def emails(numbers: NDArray[np.int64]) -> pa.Array:
    """Addresses that nobody has: the domain is reserved for examples.

    >>> emails(np.array([42])).to_pylist()
    ['klara.dietz42@example.com']
    """
    given = pa.array(_GIVEN).take(pa.array(numbers % len(_GIVEN)))
    family = pa.array(_FAMILY).take(pa.array(numbers % len(_FAMILY)))
    digits = pa.array(numbers).cast(pa.string())
    name = pc.binary_join_element_wise(given, family, ".")
    return pc.binary_join_element_wise(name, digits, pa.scalar("@example.com"), "")


def phones(numbers: NDArray[np.int64]) -> pa.Array:
    """Numbers that ring nowhere."""
    return numbered("+49-000-", numbers, 7)


def addresses(numbers: NDArray[np.int64]) -> pa.Array:
    """Private network addresses, scattered.

    >>> addresses(np.array([0, 1])).to_pylist()
    ['10.0.0.13', '10.40.169.220']
    """
    mixed = (numbers * 2_664_911 + 13) % (1 << 24)
    octets = pa.array([str(number) for number in range(256)])
    parts = [octets.take(pa.array(mixed >> shift & 255)) for shift in (16, 8, 0)]
    return pc.binary_join_element_wise(pa.scalar("10"), *parts, ".")


def shop_names(category: NDArray[np.int16]) -> pa.Array:
    """Ids of shops: a brand, what it sells, a number."""
    number = np.arange(len(category))
    brand = pa.array(_BRANDS).take(pa.array((number * 7) % len(_BRANDS)))
    sells = pa.array([item.name.replace("_", "-") for item in CATEGORIES]).take(pa.array(category))
    return pc.binary_join_element_wise(brand, sells, numbered("", number, 4), "-")
