"""Who did or saw what, in a chain of records that shows every later change.

Each record holds the SHA-256 of the one before it, so that an edit, a gap or another order shows at the first
record behind it. Whoever can write the file could make the whole chain again: signed checkpoints show that,
unless the signing key was taken too, and a head that is kept elsewhere (an anchor) shows a cut end.
"""

from ringfence.audit.checking import ChainFault, Trust, check_chain
from ringfence.audit.heads import Anchor, Head, SigningKey, VerifyingKey
from ringfence.audit.records import GENESIS, REPORTED, Act, Record, chained
from ringfence.audit.spans import RecordSpan, compare, extended

__all__ = [
    "GENESIS",
    "REPORTED",
    "Act",
    "Anchor",
    "ChainFault",
    "Head",
    "Record",
    "RecordSpan",
    "SigningKey",
    "Trust",
    "VerifyingKey",
    "chained",
    "check_chain",
    "compare",
    "extended",
]
