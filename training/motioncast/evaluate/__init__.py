"""Measuring trained networks on clips they have not seen."""
