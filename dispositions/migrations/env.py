"""Run by alembic with the connection that `dispositions.migrate` made; there is no ini file and no offline mode."""

from alembic import context

from dispositions.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
if connection.in_transaction():
    connection.commit()
