"""The loop of a daemon: decides when to pass, and nothing else.

`queue` and `schedule` have the turns, `pace` says when the next one is due, `stillness` which rounds can be spared;
`threads` knows whether all still run. `following`, `elsewhere` and `bell` are alarms: they say what to look at again.
`unhurried` and `breaker` keep what is slow, or hangs, from holding up the others.
"""
