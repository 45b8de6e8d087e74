"""The systems that the bench trains, a folder each, beside what all of them are and where they are listed.

config.py says what a system's configuration is, system.py what its module is, registry.py which systems there are.
"""
