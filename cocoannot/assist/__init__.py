"""Outlines that a program finds in a picture, to be looked at before they are kept. Nothing is changed here."""
