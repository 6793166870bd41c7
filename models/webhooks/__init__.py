"""Addresses at which others call us, and those at which we call others."""
