"""What several doors show, and take, in one shape."""
