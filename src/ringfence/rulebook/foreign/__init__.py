"""Rules of other products, translated into the rule language; what cannot be is named with its reason.

Amazon Fraud Detector's rules (`detector.py`) and the rules and velocities of Dynamics 365 Fraud Protection
(`fql.py`) share one grammar of expressions: `tokens.py` and `grammar.py` read it, `writing.py` writes ours.
"""

from ringfence.rulebook.foreign.detector import read_detector
from ringfence.rulebook.foreign.files import as_data, book_text, features_text, vet
from ringfence.rulebook.foreign.fql import read_fql
from ringfence.rulebook.foreign.result import ForeignRefusal, Imported, Wishes

__all__ = [
    "ForeignRefusal",
    "Imported",
    "Wishes",
    "as_data",
    "book_text",
    "features_text",
    "read_detector",
    "read_fql",
    "vet",
]
