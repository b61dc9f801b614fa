"""The brain: pure functions from what is wanted and what is seen to what is to be done.

From texts to resources: `parse`, over `yaml12` (`scalar`, `syntax`), `interpolation`, `envelope`, `shape`, `fit` and
`validate`; complaints are worded by `wording`, `sheet` and `discretion`; `unparse`, `schema`, `explain` lead back.
From resources to what is to be made: `graph`, `linking`, `references`, `addresses`, `topology`, `mesh`, `ports` (of
whom others have: `claims`), then `render`, in the words of `making`, and its `fingerprint`.
From that and a look to a plan: `planner`, over `world`, `standing`, `verdict`, `health`, `backoff` and `gates`; what is
to be done with one instance says `instances`, with all of a service `rolling` and `surge`, with a job `running`
(`jobs`, `histories`), with what is not wanted any more `teardown`, with what others run `adoption` and `onlooker`
(`attached`), with other machines `leased` and `former`.
From a pass to words: `summarize`, `jobstatus`, `hoststatus`, `hostcheck`, `preview`, `difference`, `advice`, `calling`.
What may be asked for: `policy`, `rules`, `permitted`; before much is taken away `brake`, one after the other `waves`.
"""
