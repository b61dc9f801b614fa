"""What is declared, in other people's words: a Compose file, or manifests of Kubernetes. Pure; nothing is looked at."""
