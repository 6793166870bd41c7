"""When: the scheduler process, whose ticks drive the dispatcher."""
