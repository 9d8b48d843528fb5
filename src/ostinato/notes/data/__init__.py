"""Songs as notes on a grid of steps, and the windows over them that models see."""
