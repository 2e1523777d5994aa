"""Assistants: each is described by one YAML file, and a session chooses one by its name.

    description   what a file may say; a job carries the part of it that its agent needs
    files         reading a folder of them

AssistantError
    UnknownAssistant
"""
