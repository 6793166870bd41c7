"""Recipes: kept, found by what is at home, taken from pages and programs, scaled, made into shopping lists."""
