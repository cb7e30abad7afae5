"""The demo: the whole hub on a simulated city, watched from outside by an operator who takes nothing on trust."""
