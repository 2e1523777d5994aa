"""The WebSocket doors: one conversation behind a socket, in one protocol or another."""
