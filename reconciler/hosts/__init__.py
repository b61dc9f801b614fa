"""Machines: run argument lists, read and write files, tell facts.

`local` is this one, `ssh` any other, over the connection that `sshline` keeps open. `remote` is what is said to a shell
there, `exchange` one command from its beginning to its end, `together` several questions in one such exchange.
"""
