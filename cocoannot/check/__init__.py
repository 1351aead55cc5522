"""What is wrong with a dataset's file, also with one that the server refuses, and a repaired copy of it."""
