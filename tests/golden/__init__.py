"""Conversations as the dialects must hold them, line by line, without sockets or time."""
