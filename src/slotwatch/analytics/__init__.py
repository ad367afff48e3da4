"""Rates, money, delivery, efficiency, and whether what is stored can be true."""
