"""kubectl apply for your own machines: containers and native processes, declared, diffed and kept."""

__version__ = "0.1.0"
