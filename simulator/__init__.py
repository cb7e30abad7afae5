"""The world outside: cameras, sensors, chat robot and hotline that run the demo and the tests.

Imports no service of the hub: a fake that shares code with what it checks proves nothing.
"""
