"""Flights: what they cost, and watches over their prices."""
