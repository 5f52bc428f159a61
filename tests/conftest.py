"""Shared by all tests."""

from hypothesis import settings

# Timing is not behaviour, and the machines that run the tests are shared and slow at times.
settings.register_profile("faultlines", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("faultlines")
