"""Machines for tests to reach over a network: namespaces with an address, users, an sshd, and an engine if need be."""
