"""Where everything of the graph's state stands: structures of arrays that compiled code walks.

Nodes are entities and attributes alike. A pair is all live links of one type between the same two nodes. Each
pair stands in two lists, newest arrival first: that of its entity and that of its attribute. A port is where
such a list begins: a node has one for each (link type, side) that its type can stand on.

What is read together stands together: the columns of a node, of a pair and of a port are parts of records
(`graph.state`), of which a look takes one or two cache lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Words: TypeAlias = NDArray[np.int64]


NONE: Final = -1
FREE: Final = -2  # of a timeline link: waits for nothing

# Counters.
NODES, NODES_TOP, NODE_FREE = 0, 1, 2  # in use, slots ever used, first free slot
PAIRS, PAIRS_TOP, PAIR_FREE = 3, 4, 5
PORTS_TOP = 6
NOW, STARTED = 7, 8  # the clock, and whether it has begun
EDGE_BUCKET, PAIR_BUCKET = 9, 10  # of either timeline, the one that its heap holds
EDGE_HEAP, PAIR_HEAP = 11, 12  # entries of either heap
FLOWS_END, FLOWS_OLDEST = 13, 14  # sequence numbers
PAYMENTS_END, PAYMENTS_OLDEST = 15, 16
KNOWN = 17  # nodes with a confirmed fraud
SEARCH = 18  # the number of the search that looked last
CHANGES = 19  # edges of the forest made so far
LOOKED = 20  # entries that the search in hand has looked at
TABLED = 21  # pairs in their hash table
COUNTERS: Final = 22

# What a pass stopped for.
DONE, NEED_NODES, NEED_PAIRS, NEED_FLOWS, NEED_PAYMENTS = 0, 1, 2, 3, 4
NEED_NODE_PLACES, NEED_PAIR_PLACES = 5, 6  # of their hash tables

# Columns of an input row; then one key for each end.
IN_KIND, IN_CLOCK, IN_TIME, IN_ID, IN_MARKS, IN_AMOUNT, IN_SUBJECT, IN_OPEN, IN_KEYS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)
IS_PAYMENT, IS_LABEL = 0, 1

# Words of a link type.
L_FROM, L_TO, L_FROM_TYPE, L_TO_TYPE, L_TTL, L_CAP, L_FROM_PORT, L_TO_PORT = 0, 1, 2, 3, 4, 5, 6, 7
LINK_WORDS: Final = 8

# Words of the program's shape.
(
    S_SUBJECT_TYPE,
    S_FLOW,
    S_GRAIN,
    S_LONGEST,
    S_MEMORY,
    S_FRAUD,
    S_FLOWS,
    S_SHORTEST,
    S_CHAINS,
    S_FANS,
    S_LOOK,  # `Bounds`
    S_REACH,
    S_STEPS,
    S_PAIRS,
    S_LAYERING,
    S_LISTS,  # whether anything walks the lists of pairs
    S_SUBJECT_KEY,  # which of the key columns is the subject's
) = range(17)
SHAPE: Final = 17

MOST_WINDOWS: Final = 6

# Words of a remembered payment, a cache line: node numbers, thousandths of a major unit, its time, the clock
# when it came, the sequence numbers of the payer's payment before and of the payee's, and chains.
(F_PAYER, F_PAYEE, F_AMOUNT, F_TIME, F_SEEN, F_BEFORE_OUT, F_BEFORE_IN, F_CHAINS) = range(8)
FLOW_WORDS: Final = 8
CHAIN: Final = (1 << 20) - 1
"""Of `F_CHAINS`: payments in the longest chain that ends with it.

Above it stand those in the longest chain of payments between ends that were new to each other, 0 where this
one's were not.
"""
NEW_CHAIN_BIT: Final = 20
POINTS_BIT: Final = 40
"""Of `F_CHAINS`: from here up stands how much a payment looked like layering when it came."""

# What is counted of a payment's two ends, (list, window, fact); lists: what the payer paid and was paid, what
# the payee was paid and paid.
L_OUT, L_IN, L_PAYEE_IN, L_PAYEE_OUT = range(4)
C_DISTINCT, C_COUNT, C_SUM, C_NEW, C_POINTS = range(5)
FACTS: Final = 5
# Then of the longest window: time and amount of the payer's latest income, the smallest difference between an
# income of it and the payment, payments of this pair, and payments back.
G_LATEST, G_LATEST_AMOUNT, G_CLOSEST, G_PAIR, G_BACK = range(5)

# Operations, of which each signal is one: (code, argument, window in ms). From `O_PAIR_NEW` on they are about
# the payment's payer and payee.
(
    O_COMPONENT_ID,
    O_COMPONENT_SIZE,
    O_COMPONENT_OF,  # argument: node type
    O_SINCE,
    O_DEGREE,
    O_DAMPED,
    O_HUBS,
    O_SHARED,  # argument: link
    O_FRAUD_ONE,
    O_FRAUD_TWO,
    O_FRAUD_DISTANCE,
    O_FRAUD_NEARNESS,
    O_PAIR_NEW,
    O_COUNTED,  # argument: list times FACTS and fact; the window's place among the windows
    O_SUM,
    O_PASS,
    O_SINCE_IN,
    O_INCOME_RATIO,
    O_INCOME_MATCH,
    O_PAIR_PAYMENTS,
    O_PAID_BACK,
    O_CYCLE,
    O_SCATTER,
    O_GATHER,
    O_BIPARTITE,
    O_COMMON,
    O_CHAIN,
    O_NEW_CHAIN,
) = range(28)

# What a payment's links turned out to be; from `WHO_TARGETS` on, the attribute or payee of each link, then
# the node of each key.
WHO_SUBJECT, WHO_PAYER, WHO_PAYEE, WHO_HUBS, WHO_NEW, WHO_TARGETS = 0, 1, 2, 3, 4, 5
UNKNOWN: Final = -2  # of a key: it has not been looked up

# Words of what the search in hand notes of a node: whose the note is (`kernel.notes`), two numbers, and bits.
N_WHOSE, N_ONE, N_TWO, N_BITS = range(4)
NOTE_WORDS: Final = 4
FIRST_BIT, SECOND_BIT = 1, 2

LARGEST_LOAD: Final = 0.75
"""Of a hash table."""

WORD_BITS: Final = 6
WORD: Final = 63  # bits of a word, which `node >> WORD_BITS` finds and `node & WORD` looks at

LINK_BITS: Final = 4
LATE_BITS: Final = 11
LATE_UNIT: Final = 20
"""Of `pair_word`, from below: the type of the link; how much later than the latest link's time a link of it
came last, in units of 2^20 ms, rounded up, all bits set for longer; the latest link's time, which is below
2^48 ms. Lists are in order of arrival: the last two say from where on a window reaches none."""

FEW: Final = 8
"""Neighbours of which a list is looked through: only pairs both of whose ends have more need a hash table."""

GROUP_BITS: Final = 4
GROUP: Final = 1 << GROUP_BITS
"""Pairs with neighbouring numbers wait for their expiry together, until the first of them expires.

New ones came together. Numbers are used again, so that later a group has pairs of any age."""


class State(NamedTuple):
    """All that the links so far have taught. Times are ms, amounts thousandths of a major unit."""

    node_key: NDArray[np.int64]
    node_parent: NDArray[np.int32]  # in the forest of latest expiries; itself for a root
    node_until: NDArray[np.int64]  # when the edge to its parent expires
    node_wait: NDArray[np.int32]  # next in its bucket of the edges' timeline, or in the list of free slots
    node_type: NDArray[np.int8]
    node_open: NDArray[np.int8]  # 1 where the declaration says that it joins nobody
    node_port: NDArray[np.int32]  # its first port
    node_live: NDArray[np.int32]  # live pairs that it is an end of
    node_since: NDArray[np.int64]  # since when it has had one without a break
    node_sizes: NDArray[np.int32]  # (nodes, types): what hangs below it in the forest, itself included
    node_fraud: NDArray[np.int32]  # payments of it that are known to be fraud
    node_out: NDArray[np.int64]  # its latest payment made and received, sequence numbers
    node_in: NDArray[np.int64]
    known_nodes: NDArray[np.int64]  # one bit a node: whether it has confirmed fraud
    port_head: NDArray[np.int32]
    port_count: NDArray[np.int32]  # live pairs: distinct neighbours
    pair_from: NDArray[np.int32]  # NONE for a free slot
    pair_to: NDArray[np.int32]  # of a free slot the next one
    pair_word: NDArray[np.int64]  # time of its latest link, how late one came last, type: `LINK_BITS`
    pair_next: NDArray[np.int32]  # (pairs, 2): in the list of the entity, of the attribute
    pair_before: NDArray[np.int32]  # (pairs, 2)
    group_when: NDArray[np.int64]  # when the turn of a group of pairs comes
    group_wait: NDArray[np.int32]  # next in its bucket of the pairs' timeline
    node_table: NDArray[np.int32]  # hash tables: number + 1
    pair_table: NDArray[np.int32]  # of pairs that no short list has
    node_larger: NDArray[np.int32]  # what either is moving into, a single word while it stands still
    pair_larger: NDArray[np.int32]
    port_free: NDArray[np.int32]  # of each type, the first free block of ports
    edge_buckets: NDArray[np.int32]
    pair_buckets: NDArray[np.int32]
    edge_heap: NDArray[np.int64]  # (room, 2): expiry, number
    pair_heap: NDArray[np.int64]  # number of a group, or below 0 that of a pair: see `timeline.queue_pair`
    flow: NDArray[np.int64]  # (ring, FLOW_WORDS)
    paid_keys: NDArray[np.int64]  # (ring, 3): hash of its id, keys of payer and payee, 0 for none
    paid_clock: NDArray[np.int64]
    paid_fraud: NDArray[np.int8]
    paid_table: NDArray[np.int32]  # hash table: place in the ring + 1
    notes: NDArray[np.int64]  # (power of two, NOTE_WORDS): what the search in hand notes of nodes
    found: NDArray[np.int32]  # what a search has found, and the latest time at which it led on from there
    found_until: NDArray[np.int64]
    counted: NDArray[np.int64]  # (lists, windows, facts), of the payment in hand
    gauged: NDArray[np.int64]
    counters: NDArray[np.int64]
    node_lines: NDArray[np.uint8]  # the records whose columns stand above
    node_rest: NDArray[np.uint8]
    pair_lines: NDArray[np.uint8]
    port_lines: NDArray[np.uint8]


class Program(NamedTuple):
    """A declaration of the graph as tables."""

    links: NDArray[np.int64]  # (links, LINK_WORDS)
    types: NDArray[np.int64]  # (types, 2): how many ports a node has, whether it is an attribute
    sides: NDArray[np.int64]  # (types, ports, 2): the link and the side that a port is for
    ops: NDArray[np.int64]  # (signals, 3)
    windows: NDArray[np.int64]  # ascending, ms
    card: NDArray[np.float64]  # (rows, 3): signal, from which value on, points of layering
    shape: NDArray[np.int64]
