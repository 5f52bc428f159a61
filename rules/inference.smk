"""Requests to responses, for every study and model."""
