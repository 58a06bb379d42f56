"""A model, ready to run: rows in, rows out, in batches. It knows neither gRPC nor digits."""
