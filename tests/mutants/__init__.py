"""Planted bugs: small wrong changes of the real code, each of which the fast tests must notice.

`python -m tests.mutants` (`poe mutants`) plants them one by one in a copy of the tree.
"""
