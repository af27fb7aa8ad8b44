"""The command `hil`: one small module a verb."""
