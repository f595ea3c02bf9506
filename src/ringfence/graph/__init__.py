"""The entity graph: who shares what with whom, and where money goes, as of each payment."""
