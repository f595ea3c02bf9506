"""Cases: what analysts work on. State is a fold of events, each of which names the version that it changes.

`model` has the words, `fold` what an event does to a case, `actions` which events an action leads to,
`policy` what a project decides for itself. Nothing here knows a clock or a database.
"""
