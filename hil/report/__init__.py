"""A run's record and what is made of it: the HTML report and the JUnit properties."""
