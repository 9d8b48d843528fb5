"""Score creators, which read forty frames and draw the five that follow; one module each.

Each module defines a reader of the forty frames and a ``Model(size, params)`` that uses it.
"""
