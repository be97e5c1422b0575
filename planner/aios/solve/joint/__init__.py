"""Choosing for many intents on a large fleet at once, with a bound that is certified.

Machines of a node are taken together, what is scarce gets a price, and the prices say which few options of each intent
are worth considering, and what no plan falls below. ``size`` says when; see ``choose`` for the way in, ``prices`` for
the bound, ``cuts`` for what single machines cannot hold, ``knapsacks`` where every node is one machine, ``dive`` for a
first plan, ``yard`` for the machines that hold it, and ``improve`` for the search.
"""
