"""Users, and their accounts elsewhere."""
