"""How a command and the daemon of the same home talk: lines of JSON over a socket that only its owner can open.

`call` asks, `serve` answers, in `messages`; `handover` has the daemon make a command's passes; `webhook` is for others.
"""
