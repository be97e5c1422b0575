"""Pipelines on many machines: chosen by kinds of machines, with the slowest way to hand over between kinds.

That is safe, and its plan is put on single machines. The quickest ways allow every plan, and so give the bound.
"""
