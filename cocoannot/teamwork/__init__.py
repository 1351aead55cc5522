"""Who is where, and whose turn it is: presence and claims, in memory alone."""
