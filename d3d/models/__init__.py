"""The systems that the bench trains, a folder each.

config.py is the base class of their configurations, system.py that of their modules, registry.py lists them.
"""
