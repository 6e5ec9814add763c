"""Tests of npnet.utils."""
