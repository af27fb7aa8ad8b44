"""Switches, relay boxes, commands and persons that switch power over their real wires, and that misbehave when told to."""
