"""Native processes on another host, of which nothing is asked but a POSIX shell: `scripts` is all that runs there,
`listing` reads what they tell, `runtime` has the verbs.
"""
