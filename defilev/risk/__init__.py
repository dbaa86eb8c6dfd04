"""How bad: prices and shocks that liquidate, what a fall does to health. Knows linear forms, and no protocol."""
