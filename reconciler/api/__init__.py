"""How a command and the daemon of the same home talk: lines of JSON over a socket that only its owner can open."""
