"""Where spec bytes come from, and what is kept of them.

What was applied: `applied`, in the `home`, a `document` each, their `history`, and what became of jobs (`tries`).
What Sources follow: `feeds`, each a `directory` or a `repository` fetched by `git`, with its `ledger`, its revisions
signed (`verify`), noticed by `watching`. From `-f`: `files` and `compositions`. What goes into images and packages:
`contexts`. Where people work: `worktrees`. What they may ask for: `policyfile`.
"""
