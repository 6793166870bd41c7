"""The database itself: connections, transactions, migrations, copies; nothing of what is kept in it."""
