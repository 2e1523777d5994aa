"""How agents are started and ended, measured from outside: `make bench-spawn`.

Every figure is what a client, the kernel or the room server shows; none is a counter of ours.
"""
