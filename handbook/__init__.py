"""What of the documentation is written by a program: references from the code, the gallery from its runs."""
