"""The protocols, a module each."""
