"""Push: one gap-free order of a user's changes, read by WebSocket, SSE and long-poll alike."""
