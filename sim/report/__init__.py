"""Results as files and on the screen; reads only what a run's files say.

Kept light: what draws or renders imports matplotlib, ArviZ and Jinja when it is called.
"""
