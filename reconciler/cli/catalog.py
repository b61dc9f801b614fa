"""Which verbs there are, by group, with one line each: all that `--help` and completion need to know.

A table, so that neither of them imports a verb; a test holds it against the verbs' own words.
"""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Change": {
        "apply": "Make the world what the specs say, and wait until it is.",
        "delete": "Take things down, users before what they use.",
        "start": "Start stopped services, as many replicas as before.",
        "stop": "Stop services; their data and their declarations stay.",
        "restart": "Make every instance anew, a few at a time.",
        "scale": "Change how many replicas run; 0 stops.",
        "rollout": "Follow updates, and go back.",
        "instances": "List, start and stop all there is, one by one.",
    },
    "Run campaigns": {
        "run": "Run a campaign: one command, with ever other parameters.",
        "campaign": "See how campaigns are doing, and what they brought.",
    },
    "Look": {
        "status": "Show everything at a glance.",
        "get": "List resources, with how they stand.",
        "describe": "Tell all about a resource, and what differs.",
        "why": "Tell in a few sentences how it stands, and why.",
        "topology": "Show who calls whom, from where to where, and how.",
        "events": "Show what happened, oldest first.",
        "diff": "Show what apply would do, field by field, and do nothing.",
        "wait": "Wait until something is true of resources.",
    },
    "Keep it so": {
        "daemon": "Run the loop in the background: it heals what drifts.",
        "watch": "Run the loop in the foreground, until Ctrl-C.",
        "sync": "Look at Sources now, and put into force what they say.",
        "confirm": "Say yes to what a Source holds back, and to nothing else.",
        "suspend": "Follow Sources no longer; all that they brought stays.",
        "resume": "Follow suspended Sources again, from now on.",
    },
    "Other machines": {
        "host": "Add other machines, and see what they are.",
    },
    "Reach in": {
        "env": "Bring up directories and branches to work in.",
        "logs": "Print what services and jobs have written.",
        "attach": "Open a shell inside; what is stopped is started first.",
        "code": "Open VS Code inside; what is stopped is started first.",
        "exec": "Run a command inside; its exit code is passed on.",
        "cp": "Copy files in or out: NAME:PATH is inside.",
        "port-forward": "Lead ports of this machine to a service's, until Ctrl-C.",
    },
    "Write specs": {
        "init": "Write a starter spec that works.",
        "validate": "Check specs without touching anything.",
        "explain": "Describe a kind or a field.",
        "schema": "Print JSON Schema, for editors and checks.",
        "import": "Turn what others declare into specs: Compose files.",
        "export": "Write what is declared for others: Compose, Kubernetes.",
        "package": "Pack files for processes, and look into what others packed.",
    },
    "Other": {
        "doctor": "Check what this machine offers, and show the settings.",
        "policy": "Show what specs may ask for.",
        "completion": "Print or install shell completion.",
        "version": "Print the version.",
    },
}

SUMMARIES: dict[str, str] = {verb: summary for group in GROUPS.values() for verb, summary in group.items()}
