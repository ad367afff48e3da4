"""The JSON API: one module for each thing that clients ask about."""
