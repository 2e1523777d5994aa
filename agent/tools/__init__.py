"""What an assistant can do besides answering, as its file describes it.

    toolbox       the tools of one conversation
    http          a request to some service
    mcp           the tools of a server that speaks the Model Context Protocol
    hand_over     asking for a person
    outcome       what a model is told of a call

A tool that fails is a short error for the model, and never a turn that hangs.
"""
