"""The three stages as services of their own, elsewhere: our side of docs/services.md.

messages.py     what is said on the wire, as closed unions; the services of ours use it too
addresses.py    from a service's URL to its endpoints
health.py       whether a service is there
connection.py   one WebSocket to a service, message by message
recognizer.py, answerer.py, synthesizer.py     the stages, as livekit-agents takes them
"""
