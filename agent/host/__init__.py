"""The agent host, one a machine: the parent that agents' processes are forked from.

It loads everything once, then forks: a few idle children that wait for a job, an agent out of one
of them for each session, and a reporter that writes to Redis for it. How it works, in order:

- `preload` loads what agents share;
- `loop` is the loop: requests, signals, processes that end;
- `idle` keeps the children that wait;
- `agents` and `pool` decide, without doing anything;
- `fork`, `proc` and `records` are its hands: fork, kernel, files;
- `stream` and `lines` are its mouth: `agent.host_protocol` over a unix socket;
- `reporter` and `reporter_process` tell Redis;
- `child` is what a forked agent runs, from idling to its exit.
"""
