"""Runs the migrations on the connection that `ringfence.adapters.relational.migrate` gives."""

from alembic import context

from ringfence.adapters.relational.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="schema_version",
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
