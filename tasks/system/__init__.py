"""The machine itself: watch it live."""
