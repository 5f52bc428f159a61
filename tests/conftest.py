"""Shared by all tests."""

from hypothesis import settings

# No deadline: the machines that run the tests are shared and sometimes slow.
settings.register_profile("faultlines", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("faultlines")
