"""The ormen command. Each command is a module of its own and is imported only when it is used.

What a command prints is made by `ormen.cli.render`: pure functions from the API's JSON to text.
"""
