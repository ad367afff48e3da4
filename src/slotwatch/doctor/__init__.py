"""Looks at a slotwatch and says in words what is wrong and what to do; changes nothing."""
