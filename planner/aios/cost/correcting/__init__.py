"""The one door by which measurements of a machine correct predictions of times: ``predict`` reads what ``learn`` found.

Planning needs no library of learning: ``learn`` alone imports scikit-learn.
"""
