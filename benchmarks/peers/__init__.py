"""What the engine is measured against, each as small as its own documentation shows it."""
