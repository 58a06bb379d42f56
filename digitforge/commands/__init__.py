"""The commands of the client, each its options and what it does."""
