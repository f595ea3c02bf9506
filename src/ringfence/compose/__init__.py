"""The only room that knows adapters: puts store, specification, rules, pipeline and runner together.

One module per concern. Nothing is imported here: who needs the followers does not load the engine.
"""
