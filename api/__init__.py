"""The doors: REST made from the registry, jobs, push, accounts, configuration, health."""
