"""Where the shared fixtures come from; each lives in a module of its own beside this file."""

pytest_plugins = ["tests.postgres", "tests.kafka", "tests.browser", "tests.mosquitto"]
