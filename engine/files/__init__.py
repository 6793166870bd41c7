"""Files: their bytes in a store, disk or S3-compatible, and the one way in and out that every door takes."""
