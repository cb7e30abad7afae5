"""Where the shared fixtures come from; each lives in a module of its own beside this file."""

from hypothesis import settings

pytest_plugins = ["tests.postgres", "tests.kafka", "tests.browser", "tests.mosquitto"]

# A machine that does other things too takes its time over an example now and then: that is no failure of ours.
settings.register_profile("hub", deadline=None)
settings.load_profile("hub")
