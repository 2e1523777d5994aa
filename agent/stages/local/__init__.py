"""Speech without keys or network: PocketSphinx hears, espeak-ng speaks, the documents answer.

Each engine lives in a process of its own, one a machine, which forks a child for every
connection (`fork_server`); the agents talk to it over a unix socket (`wire`, `messages`).
"""
