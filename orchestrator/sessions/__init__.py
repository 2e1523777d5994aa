"""Sessions: what one is, where it goes from where, and where it is kept."""
