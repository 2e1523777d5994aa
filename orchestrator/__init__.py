"""The control plane: sessions over REST, the tasks that place their agents, and who may do what."""
