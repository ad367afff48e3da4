"""The told stories: one function each, whose docstring is the claim that it plays."""
