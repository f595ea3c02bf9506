"""The only room that knows adapters: puts store, specification, rules, pipeline and runner together.

One module per concern, in rooms: `folder` opens what a data folder holds, `deciding` what decides over it,
`following` and `messaging` what happens after a decision, `upkeep` what is done from time to time,
`flink_host` the other host. Beside them stands what several rooms need. Nothing is imported here: who needs
the followers does not load the engine.
"""
