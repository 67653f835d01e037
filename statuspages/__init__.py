"""Hosted status pages: what customers of a team see."""
