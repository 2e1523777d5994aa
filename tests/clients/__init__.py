"""Clients of the product as an outsider would write them: over REST, the room, and processes."""
