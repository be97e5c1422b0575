"""Language models being served: how long a pass takes, how many requests fit, what requests see under load.

``shapes`` says what of a transformer, a device and a way of splitting the physics needs, ``passes`` how long one pass
over the model takes, ``engine`` what continuous batching makes of it in a closed loop, ``arrivals`` in an open one. All
work on arrays, one entry per configuration, and on plain numbers alike.
"""

from aios.cost.serving.arrivals import Arriving, Stream, arriving
from aios.cost.serving.engine import Load, Served, serve, serve_apart
from aios.cost.serving.passes import Pass, pass_of
from aios.cost.serving.shapes import Machine, Shape, Stored, Ways

__all__ = [
    "Arriving",
    "Load",
    "Machine",
    "Pass",
    "Served",
    "Shape",
    "Stored",
    "Stream",
    "Ways",
    "arriving",
    "pass_of",
    "serve",
    "serve_apart",
]
