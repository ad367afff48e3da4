"""Tests of everything over HTTP."""
