"""Posters with the codes of connectors: what stands on one, how they lie on a sheet, drawn as SVG and as PDF."""
