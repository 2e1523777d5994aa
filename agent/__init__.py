"""What a conversation is, and the process that runs one in a room.

Nothing in this package knows the orchestrator; it is asked for work by a `Job` and answers with
`Report`s (`agent.job`).
"""
