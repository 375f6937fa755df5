"""Room of sim: reads pilot tables and reduces them to sufficient statistics by arm and segment.

Files of any supported format become one relation of the embedded engine; cells are parsed strictly
there, rows are grouped there, and only the groups come back.
"""
