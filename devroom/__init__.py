"""The development room server: a LiveKit-compatible room server in pure Python.

It lets real LiveKit clients meet on a machine that has nothing but this package: for
development, tests and a demo on one machine. Production points `LIVEKIT_URL` at LiveKit.
Nothing of the rest of the project is imported here, and nothing imports it.
"""
